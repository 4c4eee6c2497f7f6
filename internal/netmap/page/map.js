// The page of zre map: the server computes the layout, this script only draws it. Texts of other nodes are text nodes, never HTML.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const MOVE = 450; // ms
  const states = [["idle", "idle", ""], ["receiving", "receiving", "↓"], ["processing", "processing", "…"], ["error", "error", "!"], ["init", "init", "·"],
    ["unknown", "no state", ""]];
  const signs = new Map(states.map(([state, , sign]) => [state, sign]));
  const $ = (id) => document.getElementById(id);
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

  const svg = $("picture");
  const layers = {};
  for (const name of ["areas", "lines", "places", "nodes", "rates"]) {
    layers[name] = svg.appendChild(document.createElementNS(NS, "g"));
  }
  // What is drawn, by key. Each has its elements, and numbers that move: now, from, to.
  const drawn = { areas: new Map(), lines: new Map(), nodes: new Map() };
  const view = { width: 1, height: 1 };
  let picture = null, source = null, group = "", chosen = "", hovered = "", began = 0, moving = false, shape = "";

  function make(parent, name, attributes, text) {
    const e = document.createElementNS(NS, name);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    if (text !== undefined) e.textContent = text;
    return parent.appendChild(e);
  }

  function html(parent, name, text, className) {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return parent.appendChild(e);
  }

  // setText and setAttr touch the document only where something differs: that is most of the speed.
  function setText(e, text) { if (e.textContent !== text) e.textContent = text; }
  function setAttr(e, name, value) { if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value); }

  // merge updates what is drawn from a list: it creates new items, sets the target of those that stay, and removes the rest.
  function merge(map, list, key, numbers, create, change) {
    const gone = new Set(map.keys());
    for (const item of list) {
      const k = key(item);
      let d = map.get(k);
      const to = numbers(item);
      if (!d) {
        d = { now: to.slice(), from: to, to };
        create(d, item);
        map.set(k, d);
      } else {
        d.from = d.now.slice();
        d.to = to;
      }
      gone.delete(k);
      d.item = item;
      change(d, item);
    }
    for (const k of gone) {
      const d = map.get(k);
      for (const e of d.elements) e.remove();
      map.delete(k);
    }
  }

  function show(p) {
    picture = p;
    setText($("title"), p.title);
    document.title = p.title + " – zre map";
    status();
    setAttr(svg, "viewBox", `0 0 ${p.width} ${p.height}`);
    svg.style.width = p.width * p.scale + "px";
    svg.style.height = p.height * p.scale + "px";
    svg.classList.toggle("dense", p.dense);
    merge(drawn.areas, p.areas, (a) => a.kind + " " + a.key, (a) => [a.x, a.y, a.w, a.h], (d, a) => {
      const rect = make(layers.areas, "rect", { class: "area " + a.kind, rx: 7 });
      const text = make(layers.places, "text", { class: "place " + a.kind });
      d.elements = [rect, text];
    }, (d, a) => {
      setText(d.elements[1], a.label);
    });
    for (const a of p.areas) layers.areas.appendChild(drawn.areas.get(a.kind + " " + a.key).elements[0]); // hosts above their subnets
    merge(drawn.lines, p.lines, (l) => l.from + l.to, (l) => [l.x1, l.y1, l.cx, l.cy, l.x2, l.y2, l.lx, l.ly], (d) => {
      const path = make(layers.lines, "path", {});
      d.title = make(path, "title", {});
      d.elements = [path, make(layers.rates, "text", {})];
    }, (d, l) => {
      setAttr(d.elements[0], "stroke-width", Math.max(l.width, 1));
      setText(d.title, l.detail);
      setText(d.elements[1], l.label);
    });
    merge(drawn.nodes, p.nodes, (n) => n.id, (n) => [n.x, n.y], (d, n) => {
      const g = make(layers.nodes, "g", { tabindex: 0, role: "button" });
      d.elements = [g];
      d.title = make(g, "title", {});
      if (n.self) make(g, "circle", { class: "ring", r: 16.5 });
      make(g, "circle", { class: "body", r: 13 });
      d.sign = make(g, "text", { class: "sign", y: 5 });
      d.name = make(g, "text", { class: "name", y: 27 });
      g.addEventListener("click", () => choose(n.id));
      g.addEventListener("keydown", (e) => {
        if (e.key === "Enter" || e.key === " ") { e.preventDefault(); choose(n.id); }
      });
      g.addEventListener("pointerenter", () => { hovered = n.id; fadeOthers(); });
      g.addEventListener("pointerleave", () => { if (hovered === n.id) { hovered = ""; fadeOthers(); } });
    }, (d, n) => {
      setText(d.title, n.name);
      setText(d.name, n.label);
      setText(d.sign, signs.get(n.state) || "");
      setAttr(d.elements[0], "aria-label", `${n.name}, ${n.state}`);
    });
    const now = p.areas.map((a) => a.kind + a.key + a.x + "," + a.y).join() + p.nodes.map((n) => n.id + n.x + "," + n.y).join();
    const moves = shape !== "" && shape !== now && !reducedMotion.matches;
    shape = now;
    showGroups(p.groups);
    fadeOthers();
    began = performance.now() - (moves ? 0 : MOVE);
    if (!moving) { moving = true; requestAnimationFrame(move); }
    if (chosen) showFacts();
  }

  // move draws one step of the movement.
  function move(time) {
    const part = Math.min(Math.max((time - began) / MOVE, 0), 1);
    const ease = 1 - (1 - part) ** 3;
    for (const map of Object.values(drawn)) {
      for (const d of map.values()) {
        for (let i = 0; i < d.to.length; i++) d.now[i] = d.from[i] + (d.to[i] - d.from[i]) * ease;
      }
    }
    for (const d of drawn.areas.values()) {
      const [x, y, w, h] = d.now, [rect, text] = d.elements;
      setAttr(rect, "x", x); setAttr(rect, "y", y); setAttr(rect, "width", w); setAttr(rect, "height", h);
      setAttr(text, "x", x + 8); setAttr(text, "y", y + 13);
    }
    for (const d of drawn.lines.values()) {
      const n = d.now, [path, text] = d.elements;
      setAttr(path, "d", `M${n[0]} ${n[1]}Q${n[2]} ${n[3]} ${n[4]} ${n[5]}`);
      if (d.item.label) { setAttr(text, "x", n[6]); setAttr(text, "y", n[7] + 4); }
    }
    for (const d of drawn.nodes.values()) setAttr(d.elements[0], "transform", `translate(${d.now[0]} ${d.now[1]})`);
    moving = part < 1;
    if (moving) requestAnimationFrame(move);
  }

  // fadeOthers makes everything faint that does not belong to the chosen group or to the node under the pointer.
  function fadeOthers() {
    if (!picture) return;
    const inGroup = new Set(picture.nodes.filter((n) => !group || n.groups.includes(group)).map((n) => n.id));
    const at = hovered || chosen;
    const neighbours = new Set([at]);
    for (const l of picture.lines) {
      if (l.from === at) neighbours.add(l.to);
      if (l.to === at) neighbours.add(l.from);
    }
    for (const [id, d] of drawn.nodes) {
      const n = d.item;
      const away = !inGroup.has(id) || hovered && neighbours.size > 1 && !neighbours.has(id);
      setAttr(d.elements[0], "class", "node " + n.state + (n.presence ? " quiet" : "") + (n.self ? " self" : "") + (id === chosen ? " chosen" : "") + (away ? " away" : ""));
    }
    for (const d of drawn.lines.values()) {
      const l = d.item;
      const near = l.from === at || l.to === at;
      const away = !inGroup.has(l.from) || !inGroup.has(l.to) || hovered && !near;
      setAttr(d.elements[0], "class", "line" + (l.width ? "" : " still") + (away ? " away" : near ? " near" : ""));
      setAttr(d.elements[1], "class", "rate" + (away ? " away" : ""));
    }
  }

  // showGroups shows the groups as buttons.
  function showGroups(groups) {
    const nav = $("groups");
    if (group && !groups.some((g) => g.name === group)) group = "";
    const names = groups.map((g) => g.name);
    if (nav.dataset.names !== JSON.stringify(names)) {
      nav.dataset.names = JSON.stringify(names);
      nav.replaceChildren();
      for (const name of names) {
        html(nav, "button").addEventListener("click", () => { group = group === name ? "" : name; showGroups(picture.groups); fadeOthers(); });
      }
    }
    groups.forEach((g, i) => {
      const b = nav.children[i];
      setText(b, `${g.name} ${g.count}`);
      setAttr(b, "aria-pressed", g.name === group);
      setAttr(b, "title", g.name);
    });
  }

  function choose(id) {
    chosen = chosen === id ? "" : id;
    if (chosen) showFacts(); else close();
    fadeOthers();
  }

  function close() {
    chosen = "";
    $("panel").hidden = true;
    fadeOthers();
    fitFrame();
  }

  // showFacts asks for all that is known of the chosen node, and shows it.
  async function showFacts() {
    const id = chosen, n = picture.nodes.find((n) => n.id === id);
    if (!n) return close();
    let answer;
    try {
      const response = await fetch("node?id=" + encodeURIComponent(id));
      if (!response.ok) return;
      answer = await response.json();
    } catch { return; }
    if (id !== chosen) return;
    const panel = $("panel"), top = panel.scrollTop, text = JSON.stringify([n.name, answer, picture.lines.filter((l) => l.from === id || l.to === id).map((l) => l.detail)]);
    const opened = panel.hidden;
    panel.hidden = false;
    if (panel.dataset.text !== text || opened) {
      panel.dataset.text = text;
      panel.replaceChildren();
      const button = html(panel, "button", "×", "close");
      button.setAttribute("aria-label", "close");
      button.addEventListener("click", close);
      html(panel, "h2", n.name);
      list(panel, answer.facts);
      html(panel, "h3", answer.headers.length ? "Headers" : "No headers");
      list(panel, answer.headers);
      const lines = picture.lines.filter((l) => (l.from === id || l.to === id) && l.width > 0).reverse().slice(0, 20);
      if (lines.length) {
        html(panel, "h3", "Messages");
        for (const l of lines) html(html(panel, "dl"), "dd", l.detail).style.gridColumn = "1 / -1";
      }
      panel.scrollTop = top;
    }
    if (opened) fitFrame();
  }

  function list(parent, facts) {
    const dl = html(parent, "dl");
    for (const f of facts) { html(dl, "dt", f.name); html(dl, "dd", f.value); }
  }

  function status(lost) {
    const e = $("status");
    e.classList.toggle("lost", Boolean(lost));
    let text = "live";
    if (lost) text = "zre map does not answer; this is the last picture";
    else if (picture && picture.hidden_nodes) text = `live; ${picture.hidden_nodes} more nodes do not fit`;
    else if (picture && picture.without_shared && picture.nodes.length > 1) text = "live; other nodes share no figures (--share-stats)";
    if (!lost && picture && picture.nodes.length === 1) text = "live; no other node is here (zre doctor finds out why)";
    setText(e, text);
  }

  // fitFrame asks for pictures of the size of the frame.
  let waiting = 0;
  function fitFrame() {
    clearTimeout(waiting);
    waiting = setTimeout(connect, 150);
  }

  function connect() {
    const stage = $("stage");
    const width = Math.max(stage.clientWidth - 8, 200), height = Math.max(stage.clientHeight - 8, 200);
    if (source && view.width === width && view.height === height && source.readyState !== 2) return;
    Object.assign(view, { width, height });
    if (source) source.close();
    source = new EventSource(`events?width=${width}&height=${height}`);
    source.onmessage = (e) => show(JSON.parse(e.data));
    source.onerror = () => {
      status(true);
      if (source.readyState === 2) { clearTimeout(waiting); waiting = setTimeout(connect, 3000); }
    };
    $("save").href = `map.svg?width=${width}&height=${height}`;
  }

  for (const [state, name, sign] of states) {
    const span = html($("legend"), "span");
    const key = make(span, "svg", { viewBox: "-14 -14 28 28", "aria-hidden": "true" });
    const g = make(key, "g", { class: "node " + state });
    make(g, "circle", { class: "body", r: 13 });
    if (sign) make(g, "text", { class: "sign", y: 5 }, sign);
    html(span, "span", name);
  }
  const quiet = html($("legend"), "span");
  make(make(make(quiet, "svg", { viewBox: "-14 -14 28 28", "aria-hidden": "true" }), "g", { class: "node quiet" }), "circle", { class: "body", r: 12 });
  html(quiet, "span", "not heard lately");

  addEventListener("resize", fitFrame);
  addEventListener("keydown", (e) => { if (e.key === "Escape") close(); });
  // A browser window that was asleep gets the newest picture at once.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) fitFrame(); });
  connect();
  window.zreMap = { show, drawn }; // for tests
})();
