/** Reads a listing page by page, so that `--limit` means what it says however large a page is. */
interface PageQuery {
  readonly limit: number;
  readonly cursor?: string;
}
interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

const largestPage = 1000;

export async function readPages<Item>(
  limit: number,
  load: (query: PageQuery) => Promise<Page<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const size = Math.min(limit - items.length, largestPage);
    const page: Page<Item> = await load({ limit: size, ...(cursor === null ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < limit);
  return items;
}
