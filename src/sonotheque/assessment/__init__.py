"""What this archive can prove of itself, held against what others ask of archives."""
