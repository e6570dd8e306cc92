// The subjects of the chosen videos: how much of each there is, and how much of it may be trained on.
function subjectRows() {
  const rows = new Map();
  for (const i of passing) {
    const subject = corpus.subject.of[i];
    if (!rows.has(subject)) rows.set(subject, { subject, videos: 0, accepted: 0, rejected: 0, failed: 0, seconds: 0, good: 0, splits: new Set() });
    const row = rows.get(subject);
    const split = splits ? name(splits, i) : null;
    row.videos += 1;
    row[corpus.results[resultOf[i]]] = (row[corpus.results[resultOf[i]]] ?? 0) + 1;
    row.seconds += seconds(i);
    row.good += isAccepted(i) ? seconds(i) : 0;
    if (split !== null) row.splits.add(split);
  }
  return [...rows.values()];
}

const splits = corpus.facets.find(({ key }) => key === "split");

// The footage of each subject, as a measure of its own, in a unit in which it reads well.
function subjectChart(rows) {
  const longest = Math.max(...rows.map((row) => row.seconds), 0);
  const [unit, length] = longest >= 7200 ? ["h", 3600] : longest >= 120 ? ["min", 60] : ["s", 1];
  const measure = { title: "Footage of a subject", told: "footage of each subject, whatever became of it", unit, decimals: 1 };
  const values = new Float64Array(corpus.subject.names.length).fill(NaN);
  for (const row of rows) values[row.subject] = Math.round((row.seconds / length) * 10) / 10;
  const noun = (number) => `${count(number)} subject${number === 1 ? "" : "s"}`;
  return new Histogram(measure, { values, noun, counts: () => true });
}

function drawSubjects() {
  let rows = subjectRows();
  const chart = subjectChart(rows);
  document.getElementById("subject-chart").replaceChildren(chart.card);
  let longest = 1;
  const of = (field) => (at) => rows[at][field];
  const counted = (key, title) => ({ key, title, width: 95, number: true, descending: true, cell: (at) => count(rows[at][key]), value: of(key) });
  const columns = [
    { key: "subject", title: "Subject", width: 200, pinned: true, value: (at) => corpus.subject.names[rows[at].subject], cell: (at) => subjectLink(rows[at].subject) },
    counted("videos", "Videos"),
    counted("accepted", "Accepted"),
    counted("rejected", "Rejected"),
    counted("failed", "Failed"),
    { key: "seconds", title: "Footage", width: 130, number: true, descending: true, value: of("seconds"), cell: (at) => clock(rows[at].seconds) },
    { key: "good", title: "Accepted footage", width: 250, descending: true, value: of("good"), cell: (at) => footage(rows[at].good, longest) },
    ...(splits ? [{ key: "splits", title: "Splits", width: 110, value: (at) => [...rows[at].splits].join(", "), cell: (at) => [...rows[at].splits].sort().join(", ") }] : []),
  ];
  const table = new Table(document.getElementById("subject-table"), { label: "Subjects", columns, rowHeight: 34, order: { key: "seconds", direction: -1 }, most: "24rem" });
  const heading = document.getElementById("subjects");
  const show = () => {
    rows = subjectRows();
    longest = Math.max(...rows.map(({ good }) => good), 1);
    heading.textContent = `Subjects (${count(rows.length)})`;
    table.show(rows.map((_, at) => at));
    chart.show(rows.map(({ subject }) => subject));
  };
  onChoice(show);
  show();
}

function subjectLink(subject) {
  return el("button", { type: "button", class: "link", title: "Choose this subject's videos", onclick: () => chooseName("subject", "Subject", corpus.subject, subject) }, el("bdi", {}, corpus.subject.names[subject]));
}

function footage(length, longest) {
  const piece = el("span", { class: "bar", "aria-hidden": "true" });
  piece.style.width = `${(130 * length) / longest}px`;
  return el("span", {}, piece, clock(length));
}
