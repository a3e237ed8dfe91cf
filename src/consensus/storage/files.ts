/**
 * The file operations behind the watermark and the snapshots, as a port: Node's here, those of a simulated disk in
 * simulations. Nothing is durable before `sync` (content) and `syncDirectory` (names).
 */
import { constants, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { errorCode } from "../../base/errors.ts";

/** The part of Node's `FileHandle` that storage uses. */
export interface OpenFile {
  read(
    into: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  stat(): Promise<{ readonly size: number }>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export type OpenFlags = "r" | "r+" | "ds+" | "w+" | "wx+" | "a+";

export interface Files {
  /**
   * Flags as in open(2) and Node: `r`, `r+`, `w+`, `wx+`, `a+`; and `ds+`: as `r+`, but a write is durable when it
   * resolves (O_DSYNC), which saves the way to the kernel and back that a `datasync` of its own would take.
   */
  open(file: string, flags: OpenFlags): Promise<OpenFile>;
  /** With its parents; content with it when it is there already. */
  makeDirectory(directory: string): Promise<void>;
  /** None when there is no such directory. */
  names(directory: string): Promise<readonly string[]>;
  rename(from: string, to: string): Promise<void>;
  /** Content with it when there is no such file. */
  remove(file: string): Promise<void>;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
}

const durably = constants.O_RDWR | constants.O_DSYNC;

export const nodeFiles: Files = {
  open: (file, flags) => open(file, flags === "ds+" ? durably : flags),
  makeDirectory: async (directory) => void (await mkdir(directory, { recursive: true })),
  names: (directory) =>
    readdir(directory).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return [];
      throw error; // what cannot be looked at is not absent
    }),
  rename: (from, to) => rename(from, to),
  remove: (file) => rm(file, { force: true }),
  syncDirectory: async (directory) => {
    const handle = await open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};
