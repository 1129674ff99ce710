// Suggestions while one types in the search box. Without this script the box works as well.
"use strict";

(() => {
  const box = document.getElementById("q");
  const list = document.getElementById("suggestions");
  if (!box || !list) return;
  let timer = 0;
  let asked = "";

  async function suggest() {
    const query = box.value.trim();
    if (query.length < 2 || query === asked) return;
    asked = query;
    const answer = await fetch("/api/v1/suggest?q=" + encodeURIComponent(query));
    if (!answer.ok || query !== asked) return;
    const { recordings } = await answer.json();
    list.replaceChildren(
      ...recordings.map(({ description }) => {
        const option = document.createElement("option");
        option.value = [description.title, description.artist].filter(Boolean).join(" ");
        return option;
      }),
    );
  }

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => suggest().catch(() => {}), 150);
  });
})();
