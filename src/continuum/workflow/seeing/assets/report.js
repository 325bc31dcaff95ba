"use strict";
// The data of the run, what the user chose, and what both charts share. Times are ticks of 10 microseconds from the beginning.
const D = JSON.parse(document.getElementById("data").textContent);
const T = D.tasks, R = D.tries, $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SITES = ["#2f6fb5", "#d9822b", "#3a9a5b", "#b0487a", "#6d5cae", "#8a7a2f", "#2b9aa0", "#777777"];
const STATES = { finished: "#3a9a5b", failed: "#c62828", cancelled: "#9aa3ad", running: "#2f6fb5", queued: "#c9d1da", ignored: "#d9822b", waiting: "#e3e6ea" };
const chosen = { task: -1, hidden: new Set(), wanted: "", matches: null, onPath: false, onlyFailed: false, colour: "function" };
const onPath = new Set(D.path), triesOf = T.id.map(() => []), followers = T.id.map(() => []), indexOf = new Map(T.id.map((id, i) => [id, i]));
R.task.forEach((task, i) => triesOf[task].push(i));
T.sources.forEach((sources, task) => sources.forEach((source) => followers[source].push(task)));
const siteOfTask = (task) => { const tries = triesOf[task]; return tries.length ? R.site[tries[tries.length - 1]] : -1; };

function seconds(ticks) {
  const s = ticks / 1e5;
  if (s <= 0) return "0 s";
  if (s < 0.001) return "< 1 ms";
  if (s < 1) return (s * 1000).toFixed(s < 0.01 ? 1 : 0) + " ms";
  if (s < 60) return s.toFixed(s < 10 ? 2 : 1) + " s";
  return s < 3600 ? Math.floor(s / 60) + " min " + Math.round(s % 60) + " s" : (s / 3600).toFixed(2) + " h";
}
function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB"]) { if (n < 1000) return (unit === "B" ? n : n.toPrecision(3)) + " " + unit; n /= 1000; }
  return n.toFixed(1) + " TB";
}
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties || {});
  for (const child of children) made.append(child);
  return made;
}
function colourOfTask(task, outcome) {
  if (outcome === "failed") return css("--bad");
  if (outcome === "cancelled") return STATES.cancelled;
  if (chosen.colour === "state") return STATES[outcome || T.state[task]] || "#999";
  if (chosen.colour === "site") return SITES[siteOfTask(task) % SITES.length] || "#999";
  return D.functions[T.fn[task]].colour;
}
function isShown(task) {
  if (chosen.hidden.has(T.fn[task])) return false;
  if (chosen.onPath && !onPath.has(task)) return false;
  if (chosen.onlyFailed && !triesOf[task].some((each) => R.outcome[each] === "failed") && T.state[task] !== "failed" && T.state[task] !== "cancelled") return false;
  return chosen.matches === null || chosen.matches.has(task);
}
function search(text) {
  chosen.wanted = text.trim().toLowerCase();
  if (!chosen.wanted) { chosen.matches = null; return; }
  const number = /^\d+$/.test(chosen.wanted) ? indexOf.get(Number(chosen.wanted)) : undefined;
  chosen.matches = new Set();
  if (number !== undefined) { chosen.matches.add(number); select(number); return; }
  T.id.forEach((_, task) => {
    const site = D.sites[siteOfTask(task)];
    const text_ = [D.functions[T.fn[task]].name, T.call[task], site ? site.name : "", T.group[task] || "", T.state[task]].join(" ").toLowerCase();
    if (text_.includes(chosen.wanted)) chosen.matches.add(task);
  });
}

// A canvas that is sharp on every screen and is drawn at most once a frame.
function sharp(canvas, draw) {
  let asked = false;
  const redraw = () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; fit(); draw(); }); } };
  function fit() {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return redraw;
}
function tell(event, text) {
  const tip = $("tip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + "px";
}
// Dragging, the wheel and clicks of a canvas. `move(dx, dy)`, `zoom(factor, x, y)`, `hover(x, y)` returns text, `click(x, y)`.
function handle(canvas, { move, zoom, hover, click }) {
  let from = null, moved = 0;
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; moved = 0; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (from) {
      const dx = event.clientX - from[0], dy = event.clientY - from[1];
      moved += Math.abs(dx) + Math.abs(dy); from = [event.clientX, event.clientY];
      if (moved > 3) { tell(event, ""); move(dx, dy); }
    } else tell(event, hover(...at(event)));
  });
  canvas.addEventListener("pointerup", (event) => { if (from && moved <= 3) click(...at(event)); from = null; });
  canvas.addEventListener("pointerleave", (event) => tell(event, ""));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey) move(-(event.deltaY || event.deltaX), 0); else zoom(Math.exp(-event.deltaY * 0.0015), ...at(event));
  }, { passive: false });
}
function arrow(g, x1, y1, x2, y2, colour, width) {
  g.strokeStyle = g.fillStyle = colour; g.lineWidth = width;
  const bend = Math.max(20, Math.abs(x2 - x1) / 2);
  g.beginPath(); g.moveTo(x1, y1); g.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2); g.stroke();
  g.beginPath(); g.moveTo(x2, y2); g.lineTo(x2 - 6, y2 - 3); g.lineTo(x2 - 6, y2 + 3); g.fill();
}
