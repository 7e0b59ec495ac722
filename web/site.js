// What the pages do without where no script runs: this index's own URL in the commands, copy buttons, the release's age,
// the search, and near names on the page for what is not here. All text is set as text, never as HTML.
"use strict";

const site = new URL(".", document.currentScript.src);
const normalise = (name) => name.toLowerCase().replace(/[-_.]+/g, "-");

// The commands. pip and its kind take plain http only from this machine, or from a host they are told to trust.
if (site.protocol.startsWith("http")) {
  const isNear = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(site.hostname);
  for (const place of document.querySelectorAll("[data-url]")) place.textContent = new URL("simple/", site).href;
  for (const place of document.querySelectorAll("[data-by-http]")) {
    if (site.protocol === "http:" && !isNear) place.textContent = place.dataset.byHttp.replace("{host}", site.hostname);
  }
  document.querySelector("#by-hand")?.remove();
}

async function copy(pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent); // only where the page came by https, or from this machine
    return true;
  } catch {
    getSelection().selectAllChildren(pre);
    return document.execCommand("copy");
  }
}

document.querySelectorAll("figure").forEach((figure, index) => {
  const button = document.createElement("button");
  const caption = figure.querySelector("figcaption");
  caption.id = `copy-${index}`;
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-describedby", caption.id);
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(figure.querySelector("pre"))) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  figure.append(button);
});

// The age.
for (const time of document.querySelectorAll("time[data-age]")) {
  const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? units[2];
  const age = new Intl.RelativeTimeFormat("en").format(Math.trunc(seconds / length), unit);
  time.before(Math.abs(seconds) < 60 ? "just now, " : `${age}, `);
}

// A link into a version that is folded up opens it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (target?.closest("details")) target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();

// The search: every row is read once, the best hits are shown as copies, in a list that is short.
const MOST_HITS = 50;
const find = document.querySelector("#find");
const all = document.querySelector("#all");

function search(rows, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const name = normalise(words.join("-"));
  const ranks = [[], [], [], []]; // the same name, begins so, holds it, the rest
  for (const row of rows) {
    if (!words.every((word) => row.text.includes(word) || row.name.includes(normalise(word)))) continue;
    const rank = row.name === name ? 0 : row.name.startsWith(name) ? 1 : row.name.includes(name) ? 2 : 3;
    ranks[rank].push(row.item);
  }
  return ranks.flat();
}

if (find && all) {
  const hits = document.querySelector("#hits");
  const found = document.querySelector("#found");
  const everything = found.textContent;
  let rows = null;
  const read = () => Array.from(all.querySelectorAll("li"), (item) => {
    const [name, , summary] = item.children;
    return { item, name: name.textContent, text: `${name.textContent} ${summary.textContent}`.toLowerCase() };
  });
  const show = () => {
    rows ??= read();
    const text = find.value.trim();
    const items = text ? search(rows, text) : [];
    hits.replaceChildren(...items.slice(0, MOST_HITS).map((item) => item.cloneNode(true)));
    hits.hidden = !text;
    all.classList.toggle("away", Boolean(text)); // not hidden, which would have all rows laid out again
    const most = items.length > MOST_HITS ? `; the first ${MOST_HITS} are shown` : "";
    const number = `${items.length.toLocaleString("en")} ${items.length === 1 ? "match" : "matches"}`;
    found.textContent = text ? number + most : everything;
  };
  document.querySelector("#search").hidden = false;
  (globalThis.requestIdleCallback ?? setTimeout)(() => (rows ??= read()));
  find.addEventListener("input", show);
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") hits.querySelector("a")?.click();
    if (event.key !== "Escape") return;
    find.value = "";
    show();
  });
  if (find.value) show(); // a browser that goes back fills it in again
  if (location.hash === "#find") find.focus();
}

addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=radio])")) return;
  event.preventDefault();
  if (find) find.focus();
  else location.href = new URL("./#find", site);
});

// Near names: the edit distance, where two letters that changed places count as one edit.
function distance(a, b) {
  let older = [], old = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(old[j] + 1, row[j - 1] + 1, old[j - 1] + (a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], older[j - 2] + 1);
    }
    [older, old] = [old, row];
  }
  return old[b.length];
}

async function showNear(near) {
  const asked = normalise(near.dataset.asked);
  const denied = new Set(near.dataset.denied.split(" "));
  const most = Math.max(2, Math.floor(asked.length / 3));
  const answer = await fetch(new URL("simple/index.json", site), { headers: { Accept: "application/vnd.pypi.simple.v1+json" } });
  const names = (await answer.json()).projects.map((project) => project.name).filter((name) => !denied.has(name));
  const holds = (name) => asked.length > 2 && name.length > 2 && (name.includes(asked) || asked.includes(name));
  const scored = names
    .filter((name) => holds(name) || Math.abs(name.length - asked.length) <= most)
    .map((name) => [distance(asked, name), name])
    .filter(([edits, name]) => edits <= most || holds(name))
    .sort(([a], [b]) => a - b);
  near.querySelector("ul").append(...scored.slice(0, 5).map(([, name]) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = new URL(`project/${encodeURIComponent(name)}/`, site);
    link.textContent = name;
    item.append(link);
    return item;
  }));
  near.hidden = !scored.length;
}

const near = document.querySelector("#near");
if (near) showNear(near).catch(() => {}); // without them, the page still says where all names are
