/** Window updates are saved until half of the window is used. */
import { type Stream } from "@libp2p/interface";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { saveWindowUpdates } from "../../../src/p2p/lazy-window.ts";

const it = suite("lazy window");

class FakeYamuxStream {
  readonly recvWindow = 100;
  recvWindowCapacity = 100;
  readonly updates: number[] = [];

  /** What the library does with a data frame. */
  read(bytes: number): void {
    this.recvWindowCapacity -= bytes;
    this.sendWindowUpdate();
  }

  sendWindowUpdate(): void {
    this.updates.push(this.recvWindow - this.recvWindowCapacity);
    this.recvWindowCapacity = this.recvWindow;
  }
}

it("tells the sender of half a window at once instead of every frame", () => {
  const stream = new FakeYamuxStream();
  saveWindowUpdates(stream as unknown as Stream);
  for (let i = 0; i < 20; i += 1) stream.read(10);
  assert.equal(stream.updates, [50, 50, 50, 50]);
});

it("never lets the sender wait: a frame of the whole window is answered at once", () => {
  const stream = new FakeYamuxStream();
  saveWindowUpdates(stream as unknown as Stream);
  stream.read(49);
  stream.read(51);
  assert.equal(stream.updates, [100]);
});

it("leaves streams of other muxers alone", () => {
  const stream = { send: () => true };
  saveWindowUpdates(stream as unknown as Stream);
  assert.equal(Object.keys(stream), ["send"]);
});

it.run();
