// "undecided SNR<4 size>=20": words and comparisons, all of which must hold.
const aliases = { r: "r_value", size: "size_px", decay: "decay_time_s", events: "n_events" };
const words = {
  undecided: (roi, model) => !model.outcome(roi),
  decided: (roi, model) => !!model.outcome(roi),
  mine: (roi, model) => !!model.vote(roi),
  todo: (roi, model) => !model.vote(roi),
  accepted: (roi, model) => model.outcome(roi) === "accept",
  rejected: (roi, model) => model.outcome(roi) === "reject",
  unsure: (roi, model) => model.outcome(roi) === "unsure",
  conflict: (roi, model) => model.disagreements.has(roi),
  proposed: (roi, model) => !!model.value(roi, "accepted"),
  made: (roi, model) => model.made.has(roi),
};
const comparisons = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

function parseFilter(text, metrics) {
  const tokens = text.toLowerCase().replace(/\s*(<=|>=|!=|<|>|=)\s*/g, "$1").split(/[\s,]+/);
  const tests = [];
  for (const word of tokens.filter((part) => part && part !== "and")) {
    const isNegated = word.startsWith("-");
    const plain = isNegated ? word.slice(1) : word;
    const match = /^([a-z_0-9]+)(<=|>=|!=|<|>|=)(-?[0-9.]+(?:e-?\d+)?)$/.exec(plain);
    if (match) {
      const wanted = aliases[match[1]] ?? match[1];
      const name = metrics.find((metric) => metric.toLowerCase() === wanted);
      if (!name) throw new Error(`There is no number ${match[1]}. Known: ${metrics.join(", ")}.`);
      const compare = comparisons[match[2]];
      const limit = Number(match[3]);
      const test = (roi, model) => compare(model.value(roi, name) ?? NaN, limit);
      tests.push(isNegated ? (roi, model) => !test(roi, model) : test);
    } else if (Object.hasOwn(words, plain)) {
      const test = words[plain];
      tests.push(isNegated ? (roi, model) => !test(roi, model) : test);
    } else if (/^#?\d+$/.test(plain)) {
      tests.push((roi) => roi === Number(plain.replace("#", "")));
    } else {
      throw new Error(`"${word}" is not understood. Words: ${Object.keys(words).join(", ")}.`);
    }
  }
  return (roi, model) => tests.every((test) => test(roi, model));
}
