/** One way out for data: a table for people, JSON and YAML whole for programs, bare names for shells. */
import { type CliContext } from "../context.ts";
import { usage } from "../usage.ts";
import { type Column, renderTable, type TableSize } from "./table.ts";

export const formats = ["table", "wide", "json", "yaml", "name"] as const;
export type Format = (typeof formats)[number];

export function parseFormat(text: string): Format {
  const found = formats.find((format) => format === text);
  if (found !== undefined) return found;
  throw usage(`Cannot use -o "${text}": expected ${formats.join(", ")}`);
}

export interface Listing<Item> {
  readonly items: readonly Item[];
  readonly columns: readonly Column<Item>[];
  readonly nameOf: (item: Item) => string;
  /** Said on standard error when there is nothing to list. */
  readonly none: string;
}

export async function printListing<Item>(
  context: CliContext,
  { items, columns, nameOf, none }: Listing<Item>,
  format: Format,
): Promise<void> {
  if (format === "json" || format === "yaml") context.print(await renderValue(items, format));
  else if (items.length === 0) context.tell(none);
  else if (format === "name") context.print(items.map(nameOf).join("\n"));
  else context.print(renderTable(items, columns, sizeOf(context, format)));
}

export async function renderValue(value: unknown, format: "json" | "yaml"): Promise<string> {
  if (format === "json") return JSON.stringify(value, null, 2);
  const { stringify } = await import("yaml");
  return stringify(value).trimEnd();
}

/** One record: `lines` for people, the record itself for programs. */
export interface Single {
  readonly value: unknown;
  readonly name: string;
  readonly lines: (size: TableSize) => string;
}

export async function printSingle(
  context: CliContext,
  single: Single,
  format: Format,
): Promise<void> {
  if (format === "json" || format === "yaml") {
    context.print(await renderValue(single.value, format));
  } else if (format === "name") context.print(single.name);
  else context.print(single.lines(sizeOf(context, format)));
}

/** One record of a stream: one line of JSON, one YAML document, or one line of text. */
export async function renderStreamed(
  format: Format,
  single: Pick<Single, "value" | "name"> & { readonly line: string },
): Promise<string> {
  if (format === "json") return JSON.stringify(single.value);
  if (format === "yaml") return `---\n${await renderValue(single.value, "yaml")}`;
  return format === "name" ? single.name : single.line;
}

function sizeOf({ columns }: CliContext, format: Format): TableSize {
  return { wide: format === "wide", columns };
}
