/**
 * Tables as operators know them: upper-case heads, columns two blanks apart, nothing drawn around them, no colours
 * (so NO_COLOR changes nothing). On a terminal the columns that may shrink do, so that a row stays one line.
 */
export interface Column<Item> {
  readonly head: string;
  readonly cell: (item: Item) => string;
  /** Only with `-o wide`. */
  readonly wide?: true;
  /** Free text or a list: cut with `…` where the terminal is too narrow. Names and ids never are. */
  readonly shrinks?: true;
}

export interface TableSize {
  /** All columns, nothing cut. */
  readonly wide: boolean;
  /** Width of the terminal; null: no limit. */
  readonly columns: number | null;
}

const gap = 2;
const narrowest = 10;

export function renderTable<Item>(
  items: readonly Item[],
  columns: readonly Column<Item>[],
  size: TableSize,
): string {
  const shown = columns.filter((column) => size.wide || column.wide !== true);
  const rows = [
    shown.map((column) => column.head),
    ...items.map((item) => shown.map((column) => oneLine(column.cell(item)))),
  ];
  const natural = shown.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const limit = size.wide ? null : size.columns;
  const widths = limit === null ? natural : fit(natural, shown, limit);
  return rows
    .map((row) =>
      row
        .map((cell, i) => cut(cell, widths[i] ?? 0).padEnd(widths[i] ?? 0))
        .join(" ".repeat(gap))
        .trimEnd(),
    )
    .join("\n");
}

/** Takes what is too much from the widest column that shrinks, one character at a time. */
function fit<Item>(
  natural: readonly number[],
  columns: readonly Column<Item>[],
  limit: number,
): number[] {
  const widths = [...natural];
  const gaps = gap * (widths.length - 1);
  for (let excess = widths.reduce((a, b) => a + b, gaps) - limit; excess > 0; excess -= 1) {
    let widest = -1;
    columns.forEach((column, i) => {
      const least = Math.max(narrowest, column.head.length);
      if (column.shrinks !== true || (widths[i] ?? 0) <= least) return;
      if (widest < 0 || (widths[i] ?? 0) > (widths[widest] ?? 0)) widest = i;
    });
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Control characters would break the table, or the terminal. */
export function oneLine(text: string): string {
  // biome-ignore lint: control characters are what is meant
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

/** `KEY  value` lines of one record; further lines of a value stand below its first. */
export function renderFields(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([key]) => key.length));
  const indent = `\n${" ".repeat(width + gap)}`;
  return fields
    .map(([key, value]) => `${key.padEnd(width)}  ${value.split("\n").map(oneLine).join(indent)}`)
    .map((line) => line.trimEnd())
    .join("\n");
}
