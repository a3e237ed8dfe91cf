/** The figures of all fleets side by side, ours over serf's as a ratio of medians. */
export interface Row {
  readonly experiment: string;
  readonly measure: string;
  readonly unit: string;
  readonly label: string;
  readonly hosts: number;
  /** Of the machine, when the experiment began. */
  readonly load: number;
  /** Null: not seen in time. */
  readonly values: readonly (number | null)[];
}

export function tableText(about: { commit: string; at: string }, rows: readonly Row[]): string {
  const labels = [...new Set(rows.map(({ label }) => label))];
  const ours = labels.filter((label) => label !== "serf");
  const ratios = labels.includes("serf") ? ours.map((label) => `${label} : serf`) : [];
  const loads = rows.map(({ load }) => load);
  const lines = [
    `${about.at}, commit ${about.commit}, load ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`,
    "",
    `| experiment | hosts | measure | ${[...labels, ...ratios].join(" | ")} |`,
    `|${"---|".repeat(3 + labels.length + ratios.length)}`,
  ];
  const first = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    if (!first.has(key)) first.set(key, row);
  }
  for (const [key, { experiment, hosts, measure, unit }] of first) {
    const of = (label: string): readonly (number | null)[] =>
      rows.find((row) => keyOf(row) === key && row.label === label)?.values ?? [];
    const cells = [
      ...labels.map((label) => spread(of(label))),
      ...(ratios.length === 0
        ? []
        : ours.map((label) => ratio(median(of(label)), median(of("serf"))))),
    ];
    lines.push(`| ${experiment} | ${hosts} | ${measure}, ${unit} | ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

function keyOf({ experiment, measure }: Row): string {
  return `${experiment} ${measure}`;
}

function ratio(ours: number | null, theirs: number | null): string {
  return ours === null || theirs === null || theirs === 0 ? "" : (ours / theirs).toFixed(2);
}

export function median(numbers: readonly (number | null)[]): number | null {
  const found = numbers.filter((value) => value !== null).toSorted((a, b) => a - b);
  return found[Math.floor((found.length - 1) / 2)] ?? null;
}

function shown(value: number | null): string {
  if (value === null) return "never";
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(2);
}

function spread(numbers: readonly (number | null)[]): string {
  if (numbers.length === 0) return "–";
  const sorted = numbers.filter((value) => value !== null).toSorted((a, b) => a - b);
  const range =
    numbers.length > 1 ? ` (${shown(sorted[0] ?? null)}–${shown(sorted.at(-1) ?? null)})` : "";
  const missing = numbers.length - sorted.length;
  return `${shown(median(numbers))}${range}${missing > 0 ? `, ${missing} never` : ""}`;
}
