"""What is held: OCFL objects, their replicas, and the checks that they are still whole."""
