"use strict";
// The Gantt chart: a band per site with what queued there, a row per worker. Only what is in view is drawn, and what is
// narrower than a pixel once per pixel, so it stays quick with a hundred thousand tasks.
const Timeline = (() => {
  const canvas = $("gantt"), LABEL = 110, AXIS = 24, STRIP = 30;
  const lane_px = D.lanes.length > 60 ? 9 : 20, bands = [];
  let height = AXIS;
  D.sites.forEach((site, number) => {
    const lanes = D.lanes.map((lane, i) => [lane, i]).filter(([lane]) => lane[0] === number).map(([, i]) => i);
    bands.push({ site, number, top: height, lanes });
    height += STRIP + Math.max(1, lanes.length) * lane_px + 10;
  });
  canvas.style.height = height + 4 + "px";
  const yOf = new Map();
  bands.forEach((band) => band.lanes.forEach((lane, i) => yOf.set(lane, band.top + STRIP + i * lane_px)));
  const inLane = D.lanes.map(() => []);
  R.lane.forEach((lane, i) => { if (lane >= 0 && R.start[i] >= 0) inLane[lane].push(i); });
  inLane.forEach((tries) => tries.sort((a, b) => R.start[a] - R.start[b]));
  const levels = D.sites.map((_, number) => ({ queued: steps(number, R.placed, R.moving), moving: steps(number, R.moving, R.start) }));
  let from = 0, until = Math.max(D.end, 1);

  function steps(site, begins, ends) {
    const changes = [];
    R.site.forEach((each, i) => { const end = ends[i] < 0 ? D.end : ends[i]; if (each === site && begins[i] >= 0 && end > begins[i]) changes.push([begins[i], 1], [end, -1]); });
    changes.sort((a, b) => a[0] - b[0]);
    let level = 0, most = 0;
    const points = changes.map(([at, change]) => { level += change; most = Math.max(most, level); return [at, level]; });
    return { points, most };
  }
  const px = () => (canvas.clientWidth - LABEL - 8) / (until - from);
  const x = (at) => LABEL + (at - from) * px();

  function draw() {
    const g = canvas.getContext("2d"), width = canvas.clientWidth;
    g.clearRect(0, 0, width, height + 4); g.font = "11px system-ui, sans-serif"; g.textBaseline = "alphabetic";
    bands.forEach((band) => { g.fillStyle = css("--band"); g.fillRect(0, band.top, width, STRIP + Math.max(1, band.lanes.length) * lane_px + 2); });
    axis(g, width);
    g.save(); g.beginPath(); g.rect(LABEL, 0, width - LABEL, height); g.clip();
    bands.forEach((band) => { area(g, band, levels[band.number].queued, css("--queued")); area(g, band, levels[band.number].moving, css("--moving")); });
    inLane.forEach((tries, lane) => row(g, tries, yOf.get(lane)));
    links(g); g.restore(); labels(g);
  }
  function axis(g, width) {
    let step = 1;
    for (let i = 0; (until - from) / step > 9 && i < 60; i++) step *= [2, 2.5, 2][i % 3];
    g.fillStyle = css("--soft"); g.strokeStyle = css("--line"); g.textAlign = "center"; g.lineWidth = 1;
    for (let at = Math.ceil(from / step) * step; at <= until; at += step) {
      g.beginPath(); g.moveTo(x(at), AXIS - 6); g.lineTo(x(at), height); g.stroke();
      g.fillText(at === 0 ? "0" : Number((at / 1e5).toPrecision(6)) + " s", Math.min(x(at), width - 24), 12);
    }
  }
  function area(g, band, { points, most }, colour) {
    if (!most) return;
    const base = band.top + STRIP - 3, y = (level) => base - (STRIP - 8) * level / most;
    g.fillStyle = colour; g.beginPath(); g.moveTo(LABEL, base);
    let before = 0;
    for (const [at, level] of points) { const left = Math.max(LABEL - 1, x(at)); g.lineTo(left, y(before)); g.lineTo(left, y(level)); before = level; if (at > until) break; }
    g.lineTo(canvas.clientWidth, y(before)); g.lineTo(canvas.clientWidth, base); g.fill();
  }
  function row(g, tries, y) {
    const barHeight = lane_px - 4, scale = px();
    let last = -1e9, lastColour = "";
    for (const i of tries) {
      const start = R.start[i], end = R.end[i] < 0 ? D.end : R.end[i];
      if (end < from) continue;
      if (start > until) break;
      const task = R.task[i], left = x(start), width = Math.max((end - start) * scale, 0.7), shown = isShown(task), colour = colourOfTask(task, R.outcome[i]);
      if (width < 1 && left - last < 0.7 && task !== chosen.task && colour === lastColour) continue;
      g.globalAlpha = shown ? 1 : 0.12;
      if (shown && R.moving[i] >= 0 && (start - R.moving[i]) * scale > 1) { g.fillStyle = css("--moving"); g.fillRect(x(R.moving[i]), y + barHeight / 3, (start - R.moving[i]) * scale, barHeight / 3 + 1); }
      g.fillStyle = colour; g.fillRect(left, y + 2, width, barHeight);
      if (R.outcome[i] === "running" && width > 6) { g.fillStyle = css("--paper"); g.globalAlpha = 0.45; g.fillRect(left + width - 4, y + 2, 2, barHeight); g.globalAlpha = 1; }
      if (width > 34 && lane_px > 12 && shown) { g.fillStyle = "#111"; g.textAlign = "left"; g.save(); g.beginPath(); g.rect(left, y, width - 2, lane_px); g.clip(); g.fillText(T.id[task], left + 3, y + lane_px - 7); g.restore(); }
      if ((onPath.has(task) && R.outcome[i] === "finished" && width > 2.5) || task === chosen.task) { g.strokeStyle = task === chosen.task ? css("--tint") : css("--ink"); g.lineWidth = task === chosen.task ? 3 : 1.5; g.strokeRect(left + 0.5, y + 2.5, Math.max(width - 1, 1), barHeight - 1); }
      if (width < 1) { last = left; lastColour = colour; } else last = -1e9;
    }
    g.globalAlpha = 1;
  }
  function links(g) {
    if (chosen.task < 0) return;
    const ends = (task) => { const i = triesOf[task][triesOf[task].length - 1]; return i === undefined || R.lane[i] < 0 || R.start[i] < 0 ? null : { start: x(R.start[i]), end: x(R.end[i] < 0 ? D.end : R.end[i]), y: yOf.get(R.lane[i]) + lane_px / 2 }; };
    const here = ends(chosen.task);
    if (!here) return;
    for (const source of T.sources[chosen.task].slice(0, 300)) { const there = ends(source); if (there) arrow(g, there.end, there.y, here.start, here.y, css("--tint"), 1.2); }
    for (const follower of followers[chosen.task].slice(0, 300)) { const there = ends(follower); if (there) arrow(g, here.end, here.y, there.start, there.y, css("--soft"), 1); }
  }
  function labels(g) {
    g.textAlign = "left";
    for (const band of bands) {
      g.fillStyle = SITES[band.number % SITES.length]; g.fillRect(0, band.top, 4, STRIP + Math.max(1, band.lanes.length) * lane_px + 2);
      g.fillStyle = css("--ink"); g.font = "600 12px system-ui, sans-serif"; g.fillText(band.site.name + (band.site.is_lost ? " (lost)" : ""), 10, band.top + 14);
      g.fillStyle = css("--soft"); g.font = "10px system-ui, sans-serif"; g.fillText(band.site.units + (band.site.units === 1 ? " unit" : " units") + (levels[band.number].queued.most ? ", " + levels[band.number].queued.most + " queued" : ""), 10, band.top + 26);
      if (lane_px > 12) band.lanes.forEach((lane, i) => { const worker = D.lanes[lane][1]; if (!worker.startsWith("~")) g.fillText(worker, 10, band.top + STRIP + i * lane_px + lane_px - 7); });
    }
  }
  function find(px_, py) {
    const lane = [...yOf].find(([, y]) => py >= y && py < y + lane_px);
    if (!lane || px_ < LABEL) return -1;
    const at = from + (px_ - LABEL) / px(), slack = 2 / px();
    let best = -1;
    for (const i of inLane[lane[0]]) { if (R.start[i] > at + slack) break; if ((R.end[i] < 0 ? D.end : R.end[i]) >= at - slack && (best < 0 || isShown(R.task[i]))) best = i; }
    return best;
  }
  function describe(i) {
    if (i < 0) return "";
    const task = R.task[i], end = R.end[i] < 0 ? D.end : R.end[i];
    const lines = [`task ${T.id[task]}: ${T.call[task] || D.functions[T.fn[task]].name}`, `${R.outcome[i]} at ${D.sites[R.site[i]].name}, ran ${seconds(end - R.start[i])}, queued ${seconds(R.moving[i] - R.placed[i])}`];
    if (R.bytes[i]) lines.push(`${bytes(R.bytes[i])} came from elsewhere in ${seconds(R.start[i] - R.moving[i])}`);
    if (R.message[i] >= 0) lines.push(D.texts[R.message[i]]);
    return lines.join("\n");
  }
  function zoom(factor, at_px) {
    const width = (until - from) / factor, at = from + ((at_px === undefined ? (canvas.clientWidth + LABEL) / 2 : at_px) - LABEL) / px();
    if (width < 2 || width > D.end * 1.5 + 10) return;
    from = at - (at - from) / factor; until = from + width; redraw();
  }
  function show(task) {
    const i = triesOf[task][triesOf[task].length - 1];
    if (i === undefined || R.start[i] < 0) return;
    const end = R.end[i] < 0 ? D.end : R.end[i];
    if (R.start[i] < from || end > until) { const width = until - from, middle = (R.start[i] + end) / 2; from = middle - width / 2; until = from + width; }
    redraw();
  }
  const redraw = sharp(canvas, draw);
  handle(canvas, {
    move: (dx) => { const by = dx / px(); from -= by; until -= by; redraw(); },
    zoom: (factor, at) => zoom(factor, at), hover: (a, b) => describe(find(a, b)), click: (a, b) => { const i = find(a, b); select(i < 0 ? -1 : R.task[i]); },
  });
  $("zoom-in").onclick = () => zoom(1.6); $("zoom-out").onclick = () => zoom(1 / 1.6);
  $("zoom-all").onclick = () => { from = 0; until = Math.max(D.end, 1); redraw(); };
  return { redraw, show };
})();
