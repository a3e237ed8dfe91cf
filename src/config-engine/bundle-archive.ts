/**
 * A bundle: the tree as a tar archive that is the same, byte for byte, whoever packs it. Entries are sorted by
 * the bytes of their paths, all times, owners and names are zero, modes are 644 or 755. Only files and
 * symbolic links are in it; folders follow from paths.
 */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Header, type Pack, extract, pack } from "tar-stream";
import { must } from "../base/assert.ts";
import { engineError } from "./errors.ts";
import { type SourceEntry, type SourceTree, isInsideLink, isInsidePath } from "./source-tree.ts";

type NamedHeader = Partial<Header> & Pick<Header, "name">;

export function packTree(tree: SourceTree): AsyncIterable<Uint8Array> {
  const archive = pack();
  feed(archive, tree).catch((error: unknown) => archive.destroy(asError(error)));
  return archive as AsyncIterable<Uint8Array>;
}

async function feed(archive: Pack, tree: SourceTree): Promise<void> {
  const sorted = [...tree.entries].sort((a, b) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
  );
  let next = 0;
  for await (const content of tree.contents(sorted)) {
    const entry = must(sorted[next], "a source gives one content for each entry");
    next += 1;
    await addEntry(archive, header(entry, content), entry.kind === "link" ? null : content);
  }
  archive.finalize();
}

function header(entry: SourceEntry, content: Uint8Array): NamedHeader {
  const base = { name: entry.path, uid: 0, gid: 0, uname: "", gname: "", mtime: new Date(0) };
  if (entry.kind !== "link") {
    return { ...base, type: "file", mode: entry.kind === "executable" ? 0o755 : 0o644 };
  }
  return { ...base, type: "symlink", mode: 0o777, linkname: Buffer.from(content).toString("utf8") };
}

function addEntry(archive: Pack, headers: NamedHeader, content: Uint8Array | null): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (error?: Error | null): void => (error ? reject(error) : resolve());
  if (content === null) archive.entry(headers, done);
  else archive.entry({ ...headers, size: content.length }, Buffer.from(content), done);
  return promise;
}

/**
 * Unpacks a bundle into an empty folder. What a bundle never holds is refused, so that even a bundle that was
 * packed by a hostile peer cannot write outside the folder.
 */
export async function unpackArchive(
  bytes: AsyncIterable<Uint8Array>,
  directory: string,
): Promise<void> {
  const archive = extract();
  const feeding = write(bytes, archive);
  feeding.catch((error: unknown) => archive.destroy(asError(error)));
  for await (const entry of archive) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    await placeEntry(entry.header, Buffer.concat(chunks), directory);
  }
  await feeding;
}

async function write(
  bytes: AsyncIterable<Uint8Array>,
  archive: ReturnType<typeof extract>,
): Promise<void> {
  for await (const chunk of bytes) {
    if (archive.write(chunk)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    archive.once("drain", () => resolve());
    archive.once("close", () => resolve());
    await promise;
  }
  archive.end(undefined);
}

async function placeEntry(headers: Header, content: Buffer, directory: string): Promise<void> {
  const { name, type, linkname, mode } = headers;
  if (!isInsidePath(name)) throw refused(name, "its path leaves the bundle");
  const file = path.join(directory, name);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  if (type === "symlink") {
    if (!isInsideLink(name, linkname)) throw refused(name, "the link leaves the bundle");
    return await symlink(linkname, file);
  }
  if (type !== "file") throw refused(name, `it is a ${type}`);
  await writeFile(file, content, { flag: "wx", mode: (mode & 0o100) === 0 ? 0o444 : 0o555 });
}

function refused(name: string, reason: string): Error {
  return engineError("BUNDLE_CORRUPT", `Unpacking a bundle failed: "${name}": ${reason}`, { name });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : engineError("BUNDLE_CORRUPT", String(error));
}
