/** One way out for data: a table for people, JSON and YAML whole for programs, bare names for shells. */
import { type CliContext } from "../context.ts";
import { usage } from "../connect.ts";
import { type Column, renderTable } from "./table.ts";

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

/** Renders a listing as text without a final line end; an empty table is empty text. */
export async function renderListing<Item>(listing: Listing<Item>, format: Format): Promise<string> {
  switch (format) {
    case "json":
    case "yaml":
      return renderValue(listing.items, format);
    case "name":
      return listing.items.map(listing.nameOf).join("\n");
    case "table":
    case "wide":
      return listing.items.length === 0
        ? ""
        : renderTable(listing.items, listing.columns, format === "wide");
  }
}

export async function printListing<Item>(
  context: CliContext,
  listing: Listing<Item>,
  format: Format,
): Promise<void> {
  const text = await renderListing(listing, format);
  if (text !== "") context.print(text);
  else if (format === "table" || format === "wide") context.tell(listing.none);
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
  readonly lines: () => string;
}

export async function printSingle(
  context: CliContext,
  single: Single,
  format: Format,
): Promise<void> {
  if (format === "json" || format === "yaml") {
    context.print(await renderValue(single.value, format));
  } else if (format === "name") context.print(single.name);
  else context.print(single.lines());
}
