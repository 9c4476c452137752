// What was decided: shown at once, sent one batch at a time, safe when the server has answered.
class Model {
  constructor({ onChange, onSaved, onProblem }) {
    Object.assign(this, { onChange, onSaved, onProblem });
    this.reviewer = "";
    this.columns = {};
    this.rowOf = new Map();
    this.active = [];
    this.made = new Map();
    this.votes = new Map();
    this.decisions = [];
    this.undone = new Set();
    this.disagreements = new Set();
    this.outcomes = {};
    this.seen = 0;
    this.generation = 0;
    this.waiting = [];
    this.isSending = false;
  }

  get metrics() {
    return Object.keys(this.columns).filter((name) => !["id", "Accepted"].includes(name));
  }

  setTable(columns) {
    this.columns = columns;
    this.rowOf = new Map(columns.id.map((roi, row) => [roi, row]));
  }

  value(roi, name) {
    if (name === "id") return roi;
    const row = this.rowOf.get(roi);
    return row === undefined ? undefined : this.columns[name]?.[row] ?? undefined;
  }

  vote(roi) {
    return this.votes.get(roi)?.get(this.reviewer)?.action;
  }

  // Like the server's rule "majority"; used until its answer comes.
  outcome(roi) {
    const kinds = [...(this.votes.get(roi)?.values() ?? [])].map((vote) => vote.action);
    if (!kinds.length) return "";
    const count = (kind) => kinds.filter((one) => one === kind).length;
    const balance = count("accept") - count("reject");
    if (balance === 0) return count("accept") ? "conflict" : "unsure";
    return balance > 0 ? "accept" : "reject";
  }

  take(news) {
    this.decisions.length = Math.min(this.decisions.length, news.seen);
    for (const decision of news.decisions) this.decisions[decision.number] = decision;
    this.undone = new Set(news.undone);
    this.active = news.active;
    this.made = new Map(Object.entries(news.made).map(([roi, made]) => [Number(roi), made]));
    this.disagreements = new Set(news.disagreements);
    this.seen = news.seen;
    this.countVotes();
    this.onChange();
  }

  countVotes() {
    this.votes = new Map();
    const standing = this.decisions.filter((one) => !this.undone.has(one.number));
    for (const one of [...standing, ...this.waiting]) {
      if (!["accept", "reject", "unsure"].includes(one.action)) continue;
      for (const roi of one.rois) {
        if (!this.votes.has(roi)) this.votes.set(roi, new Map());
        this.votes.get(roi).set(one.reviewer ?? this.reviewer, one);
      }
    }
  }

  // The latest decision of this reviewer that still stands.
  lastOwn() {
    const own = this.decisions.filter(
      (one) => one.reviewer === this.reviewer && one.action !== "undo" && !this.undone.has(one.number),
    );
    return own.at(-1);
  }

  decide(decision) {
    this.waiting.push({ ...decision, reviewer: this.reviewer });
    this.countVotes();
    this.onChange();
    return this.send();
  }

  async send() {
    if (this.isSending || !this.waiting.length) return;
    this.isSending = true;
    const reviewer = this.waiting[0].reviewer;
    const end = this.waiting.findIndex((one) => one.reviewer !== reviewer);
    const batch = this.waiting.slice(0, end < 0 ? this.waiting.length : end);
    this.onSaved();
    let wait = 0;
    try {
      const news = await tell("/api/decide", { reviewer, seen: this.seen, decisions: batch });
      this.waiting.splice(0, batch.length);
      this.isSending = false;
      this.take(news);
    } catch (problem) {
      this.isSending = false;
      if (problem.status && problem.status !== 503) {
        this.waiting.splice(0, batch.length);
        this.onProblem(problem.message);
        await this.refresh().catch(() => {});
      } else {
        this.onProblem(problem.status ? problem.message : "The server does not answer: not saved yet.");
        wait = 2000;
      }
    }
    this.onSaved();
    if (this.waiting.length) setTimeout(() => this.send(), wait);
  }

  async refresh(withStages = false) {
    const query = { since: this.seen, ...(withStages ? { stages: "yes" } : {}) };
    const news = await askJson("/api/decisions", query);
    const hasNewFile = news.generation !== this.generation;
    this.generation = news.generation;
    const isFirst = !this.active.length;
    if (isFirst || news.decisions.length || hasNewFile || news.seen !== this.seen) this.take(news);
    else if (news.disagreements.length !== this.disagreements.size) this.take(news);
    return { ...news, hasNewFile };
  }
}
