"use strict";
// Tabs, tables, failures, the story of the chosen task, and what happens when something is chosen.
function update() { Timeline.redraw(); Picture.redraw(); }
function select(task) {
  chosen.task = task;
  if (task >= 0) { story(task); Timeline.show(task); } else $("story").replaceChildren(element("p", { className: "soft", textContent: "Click a task to read its story." }));
  update();
}
function linkTo(task) { return element("button", { className: "link", textContent: String(T.id[task]), title: T.call[task] || D.functions[T.fn[task]].name, onclick: () => select(task) }); }
function list(heading, tasks) {
  const shown = tasks.slice(0, 40), made = element("p", {}, element("span", { className: "soft", textContent: heading + " " }));
  shown.forEach((task, i) => made.append(i ? ", " : "", linkTo(task)));
  if (tasks.length > shown.length) made.append(` and ${tasks.length - shown.length} more`);
  return made;
}
function story(task) {
  const side = $("story"), name = D.functions[T.fn[task]].name;
  side.replaceChildren(element("h2", { textContent: `Task ${T.id[task]}: ${name}` }), element("p", {}, element("code", { textContent: T.call[task] || name })), element("p", { textContent: `${T.state[task]}, called at ${seconds(T.called[task])}${T.units[task] > 1 ? `, ${T.units[task]} computing units` : ""}${T.group[task] ? `, in the group ${T.group[task]}` : ""}${onPath.has(task) ? ", on the critical path" : ""}` }));
  if (T.sources[task].length) side.append(list("needed", T.sources[task]));
  if (followers[task].length) side.append(list("needed by", followers[task]));
  for (const i of triesOf[task]) {
    const end = R.end[i] < 0 ? D.end : R.end[i], site = D.sites[R.site[i]].name;
    side.append(element("h3", { textContent: `Try ${R.attempt[i]} at ${site}${R.worker[i] >= 0 ? ", " + D.texts[R.worker[i]] : ""}` }), element("p", { className: "soft", textContent: "placed there: " + D.texts[R.reason[i]] }));
    const rows = [["chosen", `${seconds(R.placed[i])} after the beginning`], ["queued", seconds((R.moving[i] < 0 ? D.end : R.moving[i]) - R.placed[i])]];
    if (R.bytes[i]) rows.push(["moving", `${seconds(R.start[i] - R.moving[i])} for ${bytes(R.bytes[i])}`]);
    if (R.start[i] >= 0) rows.push(["ran", seconds(end - R.start[i])]);
    rows.push(["outcome", R.outcome[i]]);
    side.append(element("table", {}, ...rows.map(([key, value]) => element("tr", {}, element("td", { className: "soft", textContent: key }), element("td", { textContent: value })))));
    if (R.message[i] >= 0) side.append(element("p", { className: "bad", textContent: D.texts[R.message[i]] }));
  }
  side.append(element("p", {}, element("button", { textContent: "show around it in the graph", onclick: () => { tab("graph"); Picture.around(task); } })));
  side.append(element("pre", { textContent: `continuum run explain ${D.run.id} ${T.id[task]}` }));
}
function storyOfMany(tasks) {
  const longest = [...tasks].sort((a, b) => ran(b) - ran(a));
  $("story").replaceChildren(element("h2", { textContent: `${tasks.length} tasks of ${D.functions[T.fn[tasks[0]]].name}` }), list("longest first:", longest));
}
function ran(task) { return triesOf[task].reduce((sum, i) => sum + (R.start[i] >= 0 && R.end[i] >= 0 ? R.end[i] - R.start[i] : 0), 0); }

// A table whose columns can be sorted. Columns: [heading, value of a row, text of a value, is a number].
function table(heading, rows, columns) {
  const body = element("tbody");
  const fill = () => body.replaceChildren(...rows.map((row) => element("tr", {}, ...columns.map(([, value, text, isNumber]) => { const cell = element("td", { className: isNumber ? "number" : "" }), shown = text ? text(value(row), row) : value(row); cell.append(shown instanceof Node ? shown : String(shown)); return cell; }))));
  const head = element("tr", {}, ...columns.map(([name, value, , isNumber]) => element("th", { textContent: name, className: isNumber ? "number" : "", title: "sort", onclick: (event) => {
    const down = (event.target.dataset.down = event.target.dataset.down === "1" ? "" : "1");
    rows.sort((a, b) => { const x = value(a), y = value(b), order = typeof x === "number" ? x - y : String(x).localeCompare(String(y)); return down ? -order : order; }); fill();
  } })));
  fill();
  return [element("h2", { textContent: heading }), element("div", { className: "wide" }, element("table", {}, element("thead", {}, head), body))];
}
function tables() {
  const time = (value) => seconds(value * 1e5), size = (value) => (value ? bytes(value) : "");
  $("tables").append(
    ...table("Functions at sites, and why there", D.shares, [["function", (r) => r.function], ["site", (r) => r.site], ["tasks", (r) => r.tasks, null, true], ["mean", (r) => r.mean_s, time, true], ["shortest", (r) => r.least_s, time, true], ["longest", (r) => r.most_s, time, true], ["together", (r) => r.mean_s * r.tasks, time, true], ["came from elsewhere", (r) => r.moved_bytes, size, true], ["most frequent reason", (r) => r.reason]]),
    ...table("Sites", D.sites, [["site", (r) => r.name], ["units", (r) => r.units, null, true], ["tasks", (r) => r.tasks, null, true], ["busy", (r) => r.busy, (value) => Math.round(value * 100) + " %", true], ["computed", (r) => r.run_s, time, true], ["came from elsewhere", (r) => r.came_bytes, size, true], ["published for others", (r) => r.published_bytes, size, true], ["story", (r) => r.turns]]),
    ...table("Largest moves of data", D.moves, [["datum", (r) => r.datum], ["made by task", (r) => r.task, (value) => (indexOf.has(value) ? linkTo(indexOf.get(value)) : ""), true], ["from", (r) => r.site], ["size", (r) => r.bytes, size, true], ["at", (r) => r.at_s, time, true]]),
    ...table("Longest tasks", D.longest.map((id) => indexOf.get(id)).filter((task) => task !== undefined), [["task", (task) => T.id[task], (_, task) => linkTo(task), true], ["call", (task) => T.call[task] || D.functions[T.fn[task]].name], ["site", (task) => (D.sites[siteOfTask(task)] || {}).name || ""], ["ran", (task) => ran(task), seconds, true]]),
    ...table("The critical path", D.path.slice(), [["task", (task) => T.id[task], (_, task) => linkTo(task), true], ["function", (task) => D.functions[T.fn[task]].name], ["site", (task) => (D.sites[siteOfTask(task)] || {}).name || ""], ["called", (task) => T.called[task], seconds, true], ["ran", (task) => ran(task), seconds, true]]),
  );
}
function failures() {
  const box = $("failures");
  if (!D.failures.length) { box.append(element("p", { textContent: "Nothing failed." })); return; }
  box.append(element("p", { className: "soft", textContent: `${D.failures_total} tries failed${D.failures_total > D.failures.length ? `; the last ${D.failures.length} are shown` : ""}. What followed stands behind the arrow.` }));
  for (const each of D.failures) {
    const task = indexOf.get(each.task);
    const line = element("summary", {}, element("span", { className: "soft", textContent: seconds(each.at_s * 1e5) + "  " }), "task ", task === undefined ? String(each.task) : linkTo(task), ` (${each.function}) at ${each.site || "no site"}: `, element("span", { className: "bad", textContent: each.message }), ` → ${each.decision}`);
    box.append(each.traceback ? element("details", {}, line, element("pre", { textContent: each.traceback })) : element("p", {}, ...line.childNodes));
  }
}
const TABS = [["timeline", "Timeline"], ["graph", "Graph"], ["tables", "Tables"], ["failures", `Failures (${D.failures_total})`]];
function tab(name) {
  TABS.forEach(([id]) => { $(id).hidden = id !== name; $("tab-" + id).setAttribute("aria-selected", String(id === name)); });
  history.replaceState(null, "", "#/" + name);
  if (name === "timeline") Timeline.redraw();
  if (name === "graph") Picture.reset();
}
function legend(box, withSites) {
  D.functions.forEach((each, i) => {
    const chip = element("button", { title: "show or hide" }, element("i", { style: `background:${each.colour}` }), `${each.name} (${each.count})`);
    chip.setAttribute("aria-pressed", "true");
    chip.onclick = () => { const hide = !chosen.hidden.has(i); chosen.hidden[hide ? "add" : "delete"](i); document.querySelectorAll(`[data-fn="${i}"]`).forEach((each_) => each_.setAttribute("aria-pressed", String(!hide))); update(); };
    chip.dataset.fn = i; box.append(chip);
  });
  if (withSites) D.sites.forEach((site, i) => box.append(element("button", { onclick: () => { $("wanted").value = site.name; search(site.name); update(); } }, element("i", { style: `background:${SITES[i % SITES.length]};border-radius:50%` }), `at ${site.name}`)));
}
(() => {
  $("name").textContent = D.run.name; $("subtitle").textContent = D.run.subtitle;
  D.figures.forEach(([label, value, kind]) => $("figures").append(element("div", {}, element("dt", { textContent: label }), element("dd", { textContent: value, className: kind }))));
  if (D.cut) { $("cut").hidden = false; $("cut").textContent = D.cut; }
  TABS.forEach(([id, label]) => { const made = element("button", { id: "tab-" + id, textContent: label, onclick: () => tab(id) }); made.setAttribute("role", "tab"); $("tabs").append(made); });
  legend($("legend"), false); legend($("graph-legend"), true); tables(); failures();
  $("wanted").oninput = (event) => { search(event.target.value); update(); };
  $("colour-by").onchange = (event) => { chosen.colour = event.target.value; update(); };
  $("only-path").onchange = (event) => { chosen.onPath = event.target.checked; update(); };
  $("only-failed").onchange = (event) => { chosen.onlyFailed = event.target.checked; update(); };
  const wanted = location.hash.slice(2).split(":");
  tab(TABS.some(([id]) => id === wanted[0]) ? wanted[0] : D.first);
  if (wanted[1] && indexOf.has(Number(wanted[1]))) select(indexOf.get(Number(wanted[1])));
})();
