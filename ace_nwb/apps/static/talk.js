// Talking to the server: JSON, arrays, changes. Every question carries the token of the address.
"use strict";
const token = new URLSearchParams(location.search).get("token") ?? "";
const kinds = {
  u1: Uint8Array, i4: Int32Array, i8: BigInt64Array, f4: Float32Array, f8: Float64Array,
};

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(path, query, options = {}) {
  const text = query ? "?" + new URLSearchParams(query) : "";
  const headers = { "X-Session-Token": token, ...options.headers };
  const answer = await fetch(path + text, { ...options, headers });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refusal(answer.status, told.error ?? `The server answered ${answer.status}.`);
}

const askJson = async (path, query) => (await request(path, query)).json();

async function askArrays(path, query, options) {
  const bytes = await (await request(path, query, options)).arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const found = { ...head };
  for (const [name, { type, shape, offset }] of Object.entries(head.arrays)) {
    const count = shape.reduce((product, side) => product * side, 1);
    found[name] = new kinds[type](bytes, 4 + length + offset, count);
    found[name].shape = shape;
  }
  return found;
}

const tell = async (path, body) =>
  (await request(path, null, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  })).json();

const element = (id) => document.getElementById(id);

function make(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

let toastTimer = 0;
function toast(message, isProblem = false) {
  const box = element("toast");
  box.textContent = message;
  box.className = isProblem ? "shown problem" : "shown";
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (box.className = ""), isProblem ? 9000 : 3500);
}

// A canvas as large as its box, in device pixels; calls back when the box or the theme changes.
function fitCanvas(canvas, draw) {
  const fit = () => {
    const ratio = devicePixelRatio || 1;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    draw();
  };
  new ResizeObserver(fit).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

const onceAFrame = (draw) => {
  let isPlanned = false;
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      draw();
    });
  };
};

const typing = (event) => event.target.matches("input[type=text], input[type=search], textarea, select");
