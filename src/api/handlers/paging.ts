/** Pages of a listing. A cursor names the last item given, so that pages stay right while items come and go. */
import { ApiError } from "../problems.ts";

export interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string;
}
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

export const defaultLimit = 1000;

/** Opaque to callers, and marked so: what it holds may change. */
export function encodeCursor(key: string): string {
  return Buffer.from(key, "utf8").toString("base64url");
}

export function decodeCursor(cursor: string): string {
  const key = Buffer.from(cursor, "base64url").toString("utf8");
  if (key === "" || encodeCursor(key) !== cursor) {
    throw new ApiError("INVALID_REQUEST", `"${cursor.slice(0, 80)}" is no cursor of this API`);
  }
  return key;
}

/**
 * The page after the cursor.
 * @param items in the order of the listing; `key` of an item is unique, and `after` tells whether one key comes
 *   after another in that order.
 */
export function pageOf<Item>(
  items: readonly Item[],
  query: PageQuery,
  order: {
    readonly key: (item: Item) => string;
    readonly after: (key: string, cursor: string) => boolean;
  },
): Page<Item> {
  const limit = query.limit ?? defaultLimit;
  const cursor = query.cursor === undefined ? null : decodeCursor(query.cursor);
  const rest =
    cursor === null ? items : items.filter((item) => order.after(order.key(item), cursor));
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  const more = rest.length > page.length && last !== undefined;
  return { items: page, next: more ? encodeCursor(order.key(last)) : null };
}

export const ascending = (key: string, cursor: string): boolean => key > cursor;
export const descending = (key: string, cursor: string): boolean => key < cursor;
