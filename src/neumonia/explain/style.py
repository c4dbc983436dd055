"""El aspecto y el movimiento del informe: una hoja de estilo y un guion, sin nada de fuera."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f6f6f4; --ink: #1d1d1f; --soft: #5c5c60; --line: #dcdcd8;
  --accent: #00355c; --warm: #b34700; --alert: #fff3e3; --alert-line: #b34700;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #141416; --raised: #1e1e21; --ink: #ececee; --soft: #a9a9b0; --line: #36363b;
    --accent: #8cc4f0; --warm: #ff9d57; --alert: #33230f; --alert-line: #ff9d57;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 74rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 4rem; }
h1 { font-size: 2rem; line-height: 1.15; margin: 0 0 .35rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .35rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--accent); text-underline-offset: .15em; }
.lead { color: var(--soft); font-size: 1.15rem; }
.notice {
  margin: 1.25rem 0; padding: .8rem 1rem; border: 2px solid var(--alert-line);
  border-radius: .5rem; background: var(--alert); font-weight: 600;
}
table { border-collapse: collapse; width: 100%; font-size: 1rem; }
th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--line); }
td:first-child { overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.card {
  display: grid; gap: 1.25rem 2rem; margin: 2rem 0; padding: 1.25rem; background: var(--raised);
  border: 1px solid var(--line); border-radius: .75rem; grid-template-columns: minmax(0, 1fr);
}
@media (min-width: 56rem) { .card { grid-template-columns: minmax(0, 11fr) minmax(0, 10fr); } }
.card > * { min-width: 0; }
figure { margin: 0; }
.stage { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
.side { position: relative; background: #000; }
.side img { display: block; width: 100%; height: auto; }
.tag {
  position: absolute; bottom: .4rem; left: .4rem; padding: .05rem .45rem; border-radius: .3rem;
  background: rgb(0 0 0 / .72); color: #fff; font-size: .8125rem; pointer-events: none;
}
.js .stage {
  position: relative; display: block; overflow: hidden; border-radius: .4rem; cursor: ew-resize;
  touch-action: pan-y; --map: 50%;
}
.js .map { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--map)) 0 0); }
.js .film .tag { left: auto; right: .4rem; }
.js .stage::after {
  content: ""; position: absolute; top: 0; bottom: 0; left: var(--map); width: 2px;
  margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .55);
}
.slide { display: none; }
.js .slide { display: block; padding-top: .35rem; }
.slide input {
  --thumb: 1.5rem; appearance: none; -webkit-appearance: none; display: block; height: 2rem;
  width: calc(100% + var(--thumb)); margin: 0 calc(var(--thumb) / -2); cursor: pointer;
  background: linear-gradient(var(--soft), var(--soft)) center / calc(100% - var(--thumb)) .25rem
    no-repeat;
}
.slide input::-webkit-slider-thumb {
  -webkit-appearance: none; width: var(--thumb); height: var(--thumb); border-radius: 50%;
  border: 3px solid var(--raised); background: var(--accent); box-shadow: 0 0 0 1px var(--soft);
}
.slide input::-moz-range-thumb {
  box-sizing: border-box; width: var(--thumb); height: var(--thumb); border-radius: 50%;
  border: 3px solid var(--raised); background: var(--accent); box-shadow: 0 0 0 1px var(--soft);
}
.slide input:focus-visible { outline: 3px solid var(--accent); border-radius: .4rem; }
.ends { display: flex; justify-content: space-between; color: var(--soft); font-size: .875rem; }
.answer { font-size: 1.6rem; font-weight: 650; line-height: 1.2; margin: .6rem 0 .1rem; }
.answer + p { margin-top: 0; }
.gauge { display: block; width: 100%; height: 1.35rem; }
.gauge .track { fill: var(--line); }
.gauge .fill { fill: var(--warm); }
.gauge .cut { stroke: var(--ink); stroke-width: 2; vector-effect: non-scaling-stroke; }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .2rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.warnings, .notes { list-style: none; padding: 0; margin: 1rem 0; font-size: 1rem; }
.warnings li {
  margin: .5rem 0; padding: .55rem .8rem; background: var(--alert);
  border-left: 4px solid var(--alert-line); border-radius: .25rem;
}
.warnings strong { color: var(--warm); }
.notes li {
  margin: .35rem 0; padding-left: .8rem; border-left: 4px solid var(--line); color: var(--soft);
}
.scale { margin-top: 1rem; max-width: 26rem; font-size: .8125rem; color: var(--soft); }
.scale img { display: block; width: 100%; height: 1.4rem; }
.scale p { margin: 0; }
.ticks { position: relative; height: 1.3rem; }
.ticks span { position: absolute; transform: translateX(-50%); }
.ticks .t0 { left: 0; transform: none; }
.ticks .t5 { left: 50%; }
.ticks .t8 { left: 80%; }
.ticks .t10 { left: 100%; transform: translateX(-100%); }
.files { font-size: .9375rem; color: var(--soft); }
section { margin-top: 2.5rem; }
tbody th { font-weight: 400; color: inherit; }
@media (max-width: 40rem) {
  table { font-size: .875rem; }
  th, td { padding: .35rem .3rem; }
  .number { white-space: normal; }
}
.guide { display: none; }
.js .guide { display: inline; }
@media print {
  :root {
    --paper: #fff; --raised: #fff; --ink: #000; --soft: #444; --line: #bbb; --accent: #00355c;
    --warm: #b34700; --alert: #fff; --alert-line: #000;
  }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  .card { grid-template-columns: minmax(0, 1fr); break-inside: avoid; border-radius: 0; }
  .js .stage, .stage { display: grid; overflow: visible; }
  .js .stage::after, .js .slide, .js .guide { display: none; }
  .js .map { position: relative; clip-path: none; }
  .js .film .tag { left: .4rem; right: auto; }
  .side img { max-height: 7cm; object-fit: contain; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

SCRIPT = """
document.documentElement.classList.add("js");
for (const figure of document.querySelectorAll("figure.compare")) {
  const stage = figure.querySelector(".stage");
  const slider = figure.querySelector("input");
  const show = () => {
    stage.style.setProperty("--map", slider.value + "%");
    slider.setAttribute("aria-valuetext", slider.value + " % de la imagen muestra el mapa");
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    slider.value = Math.round(100 * (event.clientX - box.left) / box.width);
    show();
  };
  slider.addEventListener("input", show);
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  show();
}
"""
