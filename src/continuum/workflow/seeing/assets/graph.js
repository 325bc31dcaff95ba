"use strict";
// The graph: tasks in layers beneath what they waited for; above some thousand of them, stages (the tasks of a function at
// one depth) or functions are drawn instead. Layers that are too wide are broken into lines.
const Picture = (() => {
  const canvas = $("picture"), STEP = 54, LINE = 58, LAYER = 92, MOST = 1200;
  const N = D.graph.nodes, E = D.graph.edges;  // nodes: a task's index, or -1 main, -2 a synchronisation
  const depth = new Int32Array(N.length);
  E.forEach(([a, b]) => { if (a < b) depth[b] = Math.max(depth[b], depth[a] + 1); });
  const views = {};
  let level = N.length <= MOST ? "tasks" : stages().nodes.length <= MOST ? "stages" : "functions";
  let scale = 1, ox = 0, oy = 0, view = null, focus = -1;

  function build(name) {
    if (name !== "focus" && views[name]) return views[name];
    const made = name === "tasks" ? all() : name === "stages" ? stages() : name === "focus" ? near() : functions();
    layOut(made);
    return (views[name] = made);
  }
  function all() {
    const nodes = N.map((task, i) => ({ task, depth: depth[i], tasks: task >= 0 ? [task] : [], group: task >= 0 ? T.group[task] : "" }));
    return { nodes, edges: E.map(([a, b, label]) => ({ a, b, label, count: 1 })) };
  }
  function near() {
    const start = N.indexOf(focus), before = new Map(), after = new Map(), kept = new Set([start]);
    E.forEach(([a, b]) => { (before.get(b) || before.set(b, []).get(b)).push(a); (after.get(a) || after.set(a, []).get(a)).push(b); });
    for (const links of [before, after]) { let edge = [start]; for (let i = 0; i < 3 && kept.size < 400; i++) { edge = edge.flatMap((node) => (links.get(node) || []).slice(0, 60)); edge.forEach((node) => kept.add(node)); } }
    const order = [...kept].sort((a, b) => a - b), place = new Map(order.map((node, i) => [node, i]));
    const base = Math.min(...order.map((node) => depth[node]));
    const nodes = order.map((i) => ({ task: N[i], depth: depth[i] - base, tasks: N[i] >= 0 ? [N[i]] : [], group: "" }));
    return { nodes, edges: E.filter(([a, b]) => place.has(a) && place.has(b)).map(([a, b, label]) => ({ a: place.get(a), b: place.get(b), label, count: 1 })) };
  }
  function merged(keyOf) {
    const place = new Map(), nodes = [], of = new Int32Array(N.length), links = new Map();
    N.forEach((task, i) => {
      const key = keyOf(task, i);
      if (!place.has(key)) { place.set(key, nodes.length); nodes.push({ task, depth: depth[i], tasks: [], group: "" }); }
      const node = nodes[(of[i] = place.get(key))];
      node.depth = Math.min(node.depth, depth[i]);
      if (task >= 0) node.tasks.push(task);
    });
    E.forEach(([a, b]) => { const key = of[a] * nodes.length + of[b]; links.set(key, (links.get(key) || 0) + 1); });
    const edges = [...links].map(([key, count]) => ({ a: Math.floor(key / nodes.length), b: key % nodes.length, label: count > 1 ? String(count) : "", count }));
    return { nodes, edges };
  }
  function stages() { return merged((task, i) => (task >= 0 ? T.fn[task] + "|" + depth[i] : "main" + i)); }
  function functions() {
    const made = merged((task) => (task >= 0 ? String(T.fn[task]) : "main"));
    made.edges = made.edges.filter(({ a, b }) => made.nodes[b].task >= 0 && (a !== b || made.nodes[a].task >= 0));
    made.nodes.forEach((node) => (node.depth = 0));
    made.edges.forEach(({ a, b }) => { if (a < b) made.nodes[b].depth = Math.max(made.nodes[b].depth, made.nodes[a].depth + 1); });
    return made;
  }
  function layOut(made) {
    const layers = [], sources = made.nodes.map(() => []), targets = made.nodes.map(() => []);
    made.nodes.forEach((node, i) => (layers[node.depth] = layers[node.depth] || []).push(i));
    made.edges.forEach(({ a, b }) => { if (made.nodes[a].depth < made.nodes[b].depth) { sources[b].push(a); targets[a].push(b); } });
    const x = new Float64Array(made.nodes.length);
    const spread = (layer) => layer.forEach((node, i) => (x[node] = i - (layer.length - 1) / 2));
    const mean = (list, otherwise) => (list.length ? list.reduce((sum, node) => sum + x[node], 0) / list.length : otherwise);
    layers.forEach(spread);
    for (let sweep = 0; sweep < 6; sweep++) {
      const near = sweep % 2 ? targets : sources, order = sweep % 2 ? [...layers].reverse() : layers;
      order.forEach((layer) => {
        if (!layer) return;
        const wish = new Map(layer.map((node) => [node, mean(near[node], x[node])]));
        layer.sort((a, b) => wish.get(a) - wish.get(b) || a - b); spread(layer);
      });
    }
    if (made.nodes.some((node) => node.group)) { columns(made, x); measure(made); return; }
    const widest = Math.max(16, Math.ceil(Math.sqrt(made.nodes.length) * 2.4));
    let top = 0;
    layers.forEach((layer) => {
      if (!layer) return;
      const lines = Math.ceil(layer.length / widest), each = Math.ceil(layer.length / lines);
      layer.forEach((node, i) => {
        const line = Math.floor(i / each), inLine = Math.min(each, layer.length - line * each);
        Object.assign(made.nodes[node], { x: (i - line * each - (inLine - 1) / 2 + (line % 2) * 0.5) * STEP, y: top + line * LINE });
      });
      top += (lines - 1) * LINE + LAYER;
    });
    measure(made);
  }
  // Groups get columns of their own, as in the pictures that Python draws (columns.py): a box holds nothing else.
  function columns(made, order) {
    const paths = made.nodes.map((node) => (node.group ? node.group.split("/") : []));
    const all = made.nodes.map((_, i) => i).sort((a, b) => order[a] - order[b]);
    const place = (nodes, level) => {
      const members = new Map(), alone = new Map(), at = new Map(), taken = [];
      const put = (map, key, node) => (map.get(key) || map.set(key, []).get(key)).push(node);
      nodes.forEach((node) => (paths[node].length > level ? put(members, paths[node][level], node) : put(alone, made.nodes[node].depth, node)));
      for (const held of members.values()) {
        const [inside, width] = place(held, level + 1), depths = held.map((node) => made.nodes[node].depth);
        const first = Math.min(...depths), last = Math.max(...depths), near = taken.filter((each) => each[0] <= last && first <= each[1]);
        const left = [0, ...near.map((each) => each[3])].sort((a, b) => a - b).find((begin) => near.every(([, , from, end]) => begin >= end || begin + width + 0.4 <= from)) || 0;
        taken.push([first, last, left, left + width + 0.4]);
        inside.forEach((column, node) => at.set(node, left + column));
      }
      let whole = Math.max(0, ...taken.map((each) => each[3]), ...[...alone.values()].map((layer) => layer.length));
      for (const [layer, held] of alone) {
        const beside = Math.max(0, ...taken.filter(([first, last]) => first <= layer && layer <= last).map((each) => each[3]));
        const begin = beside || (whole - held.length) / 2;
        held.forEach((node, i) => at.set(node, begin + i));
        whole = Math.max(whole, begin + held.length);
      }
      return [at, whole];
    };
    place(all, 0)[0].forEach((column, node) => Object.assign(made.nodes[node], { x: column * STEP, y: made.nodes[node].depth * LAYER }));
  }
  function measure(made) {
    const groups = new Map();
    made.nodes.forEach((node) => {
      node.r = node.tasks.length > 1 ? Math.min(30, 12 + Math.sqrt(node.tasks.length)) : 15;
      for (let group = node.group; group; group = group.includes("/") ? group.slice(0, group.lastIndexOf("/")) : "") {
        const box = groups.get(group) || groups.set(group, { group, left: 1e9, top: 1e9, right: -1e9, bottom: -1e9 }).get(group), pad = Math.max(17, 27 - 4 * group.split("/").length);
        box.left = Math.min(box.left, node.x - pad); box.right = Math.max(box.right, node.x + pad); box.top = Math.min(box.top, node.y - pad); box.bottom = Math.max(box.bottom, node.y + pad);
      }
    });
    made.groups = [...groups.values()].sort((a, b) => a.group.length - b.group.length);
  }
  function fitAll() {
    if (!canvas.clientWidth || !view.nodes.length) return;
    const xs = view.nodes.map((node) => node.x), ys = view.nodes.map((node) => node.y);
    const min = (list) => list.reduce((a, b) => Math.min(a, b)), max = (list) => list.reduce((a, b) => Math.max(a, b));
    const left = min(xs) - 40, right = max(xs) + 40, top = min(ys) - 40, bottom = max(ys) + 40;
    scale = Math.min(canvas.clientWidth / (right - left), canvas.clientHeight / (bottom - top), 1.4);
    ox = canvas.clientWidth / 2 - scale * (left + right) / 2; oy = canvas.clientHeight / 2 - scale * (top + bottom) / 2;
  }
  const isDim = (node) => node.tasks.length > 0 && !node.tasks.some(isShown);
  function draw() {
    if (!view) open(level);
    const g = canvas.getContext("2d");
    g.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    g.save(); g.translate(ox, oy); g.scale(scale, scale);
    view.groups.forEach((box) => {
      g.strokeStyle = css("--soft"); g.lineWidth = 1; g.setLineDash([5, 4]); g.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top); g.setLineDash([]);
      g.fillStyle = css("--soft"); g.font = "10px system-ui"; g.textAlign = "left"; g.fillText(box.group.split("/").pop(), box.left + 4 + 50 * (box.group.split("/").length - 1), box.top - 4);
    });
    edges(g);
    view.nodes.forEach((node) => { if (inView(node)) drawNode(g, node); });
    g.restore();
  }
  const inView = (node) => { const x = node.x * scale + ox, y = node.y * scale + oy, r = 40 * scale; return x > -r && y > -r && x < canvas.clientWidth + r && y < canvas.clientHeight + r; };
  function edges(g) {
    const many = view.edges.length > 3000, here = (node) => chosen.task >= 0 && node.tasks.includes(chosen.task);
    for (const { a, b, label, count } of view.edges) {
      const from = view.nodes[a], to = view.nodes[b];
      if (!inView(from) && !inView(to) && !here(from)) continue;
      const isNear = here(from) || here(to), isCritical = $("graph-path").checked && from.tasks.some((task) => onPath.has(task)) && to.tasks.some((task) => onPath.has(task));
      g.globalAlpha = isNear || isCritical ? 1 : isDim(from) || isDim(to) ? 0.06 : many ? 0.3 : 0.8;
      g.strokeStyle = isNear ? css("--tint") : isCritical ? css("--ink") : css("--soft"); g.lineWidth = isNear || isCritical ? 2.2 : Math.min(4, 1 + Math.log10(count));
      if (a === b) { g.beginPath(); g.ellipse(from.x + from.r + 8, from.y, 12, 8, 0, 0, 7); g.stroke(); continue; }
      const y1 = from.y + from.r, y2 = to.y - to.r, bend = (y2 - y1) / 2;
      g.beginPath(); g.moveTo(from.x, y1); g.bezierCurveTo(from.x, y1 + bend, to.x, y2 - bend, to.x, y2 - 3); g.stroke();
      if (scale > 0.4) { g.fillStyle = g.strokeStyle; g.beginPath(); g.moveTo(to.x, y2); g.lineTo(to.x - 3.5, y2 - 7); g.lineTo(to.x + 3.5, y2 - 7); g.fill(); }
      if (label && scale > 0.75 && (view.edges.length < 80 || isNear)) { g.globalAlpha = 1; g.font = "8px system-ui"; g.textAlign = "center"; g.lineWidth = 3; g.strokeStyle = css("--paper"); g.strokeText(label, (from.x + to.x) / 2, (y1 + y2) / 2); g.fillStyle = css("--soft"); g.fillText(label, (from.x + to.x) / 2, (y1 + y2) / 2); }
    }
    g.globalAlpha = 1;
  }
  function drawNode(g, node) {
    const isMain = node.task < 0, r = node.r;
    g.globalAlpha = isDim(node) ? 0.12 : 1;
    g.beginPath();
    if (isMain) for (let i = 0; i < 8; i++) g.lineTo(node.x + 17 * Math.cos(Math.PI * (i + 0.5) / 4), node.y + 17 * Math.sin(Math.PI * (i + 0.5) / 4));
    else g.arc(node.x, node.y, r, 0, 7);
    g.closePath();
    g.fillStyle = isMain ? css("--band") : colourOfTask(node.tasks[0], ""); g.fill();
    if (isMain) { g.strokeStyle = css("--soft"); g.lineWidth = 1.2; g.stroke(); }
    const isBad = node.tasks.some((task) => T.state[task] === "failed" || T.state[task] === "cancelled");
    if (!isMain && scale > 0.15) rings(g, node, isBad);
    if ($("graph-path").checked && node.tasks.some((task) => onPath.has(task))) { g.strokeStyle = css("--ink"); g.lineWidth = 2; g.beginPath(); g.arc(node.x, node.y, r + 5, 0, 7); g.stroke(); }
    if (chosen.task >= 0 && node.tasks.includes(chosen.task)) { g.strokeStyle = css("--tint"); g.lineWidth = 4; g.beginPath(); g.arc(node.x, node.y, r + 6, 0, 7); g.stroke(); }
    if (scale > 0.45) {
      g.fillStyle = isMain ? css("--ink") : "#111"; g.font = (isMain ? 9 : 10) + "px system-ui"; g.textAlign = "center";
      g.fillText(isMain ? (node.task === -1 ? "main" : "sync") : node.tasks.length > 1 ? "×" + node.tasks.length : T.id[node.task], node.x, node.y + 3.5);
    }
    g.globalAlpha = 1;
  }
  // Around a node: the sites at which its tasks ran, each with its share; red if something failed.
  function rings(g, node, isBad) {
    const counts = new Map();
    node.tasks.forEach((task) => { const site = siteOfTask(task); counts.set(site, (counts.get(site) || 0) + 1); });
    let angle = -Math.PI / 2;
    g.lineWidth = 3.5;
    for (const [site, count] of [...counts].sort((a, b) => a[0] - b[0])) {
      const turn = 2 * Math.PI * count / node.tasks.length;
      g.strokeStyle = site < 0 ? css("--line") : SITES[site % SITES.length]; g.beginPath(); g.arc(node.x, node.y, node.r, angle, angle + turn); g.stroke(); angle += turn;
    }
    if (isBad) { g.strokeStyle = css("--bad"); g.lineWidth = 2; g.beginPath(); g.moveTo(node.x - node.r, node.y - node.r); g.lineTo(node.x + node.r, node.y + node.r); g.stroke(); }
  }
  function find(px, py) {
    const x = (px - ox) / scale, y = (py - oy) / scale;
    return view.nodes.find((node) => Math.hypot(node.x - x, node.y - y) <= node.r + 3);
  }
  function describe(node) {
    if (!node) return "";
    if (node.task < 0) return node.task === -1 ? "the main program begins" : "the main program waits";
    const name = D.functions[T.fn[node.task]].name, states = new Map();
    if (node.tasks.length === 1) { const site = D.sites[siteOfTask(node.task)]; return `task ${T.id[node.task]}: ${T.call[node.task] || name}\n${T.state[node.task]}${site ? " at " + site.name : ""}`; }
    node.tasks.forEach((task) => { const key = T.state[task] + (siteOfTask(task) >= 0 ? " at " + D.sites[siteOfTask(task)].name : ""); states.set(key, (states.get(key) || 0) + 1); });
    return `${name}: ${node.tasks.length} tasks\n` + [...states].map(([key, count]) => `${count} ${key}`).join("\n");
  }
  function open(name) {
    level = name; view = build(name); $("level").value = name; fitAll();
    const of = `${D.graph.total} tasks`;
    $("graph-hint").textContent = { tasks: `Every circle is a task, octagons are the main program; rings tell the site.`, stages: `Every circle is the tasks of one function at one depth (${of}); rings tell the sites.`, functions: `Every circle is a function (${of}); rings tell the sites.`, focus: `What one task waited for and what waited for it, three steps each way.` }[name];
  }
  const redraw = sharp(canvas, draw);
  handle(canvas, {
    move: (dx, dy) => { ox += dx; oy += dy; redraw(); },
    zoom: (factor, px, py) => zoom(factor, px, py), hover: (a, b) => describe(find(a, b)),
    click: (a, b) => { const node = find(a, b); if (node && node.tasks.length > 1) { search(D.functions[T.fn[node.task]].name); $("wanted").value = chosen.wanted; storyOfMany(node.tasks); update(); } else select(node && node.task >= 0 ? node.task : -1); },
  });
  function zoom(factor, px, py) { px = px === undefined ? canvas.clientWidth / 2 : px; py = py === undefined ? canvas.clientHeight / 2 : py; const next = Math.min(6, Math.max(0.01, scale * factor)); ox = px - (px - ox) * next / scale; oy = py - (py - oy) * next / scale; scale = next; redraw(); }
  $("graph-in").onclick = () => zoom(1.4); $("graph-out").onclick = () => zoom(1 / 1.4); $("graph-all").onclick = () => { fitAll(); redraw(); };
  $("graph-path").onchange = redraw;
  for (const [name, label] of [["functions", "functions"], ["stages", "stages"], ["tasks", "all tasks"], ["focus", "around the chosen task"]]) $("level").append(element("option", { value: name, textContent: label }));
  $("level").onchange = (event) => { const name = event.target.value; if (name === "focus" && chosen.task < 0) { event.target.value = level; return; } focus = chosen.task; open(name); redraw(); };
  return { redraw, around: (task) => { focus = task; open("focus"); redraw(); }, reset: () => { if (view) { fitAll(); } else open(level); redraw(); } };
})();
