/** Tables as operators know them: upper-case heads, columns two blanks apart, nothing drawn around them. */
export interface Column<Item> {
  readonly head: string;
  readonly cell: (item: Item) => string;
  /** Only with `-o wide`. */
  readonly wide?: true;
}

export function renderTable<Item>(
  items: readonly Item[],
  columns: readonly Column<Item>[],
  wide: boolean,
): string {
  const shown = columns.filter((column) => wide || column.wide !== true);
  const rows = [
    shown.map((column) => column.head),
    ...items.map((item) => shown.map((column) => oneLine(column.cell(item)))),
  ];
  const widths = shown.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Control characters would break the table, or the terminal. */
function oneLine(text: string): string {
  // biome-ignore lint: control characters are what is meant
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

/** `KEY  value` lines of one record. */
export function renderFields(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([key]) => key.length));
  return fields.map(([key, value]) => `${key.padEnd(width)}  ${value}`.trimEnd()).join("\n");
}
