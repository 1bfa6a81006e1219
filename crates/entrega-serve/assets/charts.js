// What the charts of all pages share: the JSON block in the page, how text in charts looks, and when to draw. Colours are
// CSS variables, so that a change between light and dark needs no redrawing.
const charts = (() => {
  "use strict";
  const style = { fontFamily: "inherit", fontSize: "11.5px", background: "transparent", fontVariantNumeric: "tabular-nums" };

  // Draws now, and again when the page's width has changed.
  function draw(all) {
    document.documentElement.classList.add("drawn");
    all();
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      if (window.innerWidth === width) return;
      width = window.innerWidth;
      all();
    });
  }

  return { data: JSON.parse(document.getElementById("data").textContent), style, thousands: d3.format(",.0f"), draw };
})();
