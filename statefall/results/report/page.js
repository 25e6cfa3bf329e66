// Draws each figure when it comes into view, so that a page with many cells opens at once.
"use strict";
(function () {
  const settings = { responsive: true, displayModeBar: false, displaylogo: false };
  function draw(element) {
    if (element.dataset.drawn) return;
    element.dataset.drawn = "yes";
    const figure = JSON.parse(document.getElementById(element.dataset.figure).textContent);
    Plotly.newPlot(element, figure.data, figure.layout, settings);
  }
  const figures = Array.from(document.querySelectorAll("[data-figure]"));
  const observer = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((e) => draw(e.target)),
    { rootMargin: "600px" }
  );
  figures.forEach((element) => observer.observe(element));
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details.cell").forEach((d) => { d.open = true; });
    figures.forEach(draw);
  });
})();
