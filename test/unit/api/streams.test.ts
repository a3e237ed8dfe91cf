import http from "node:http";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { heartbeatMs, limitStall, streamText } from "../../../src/api/stream-format.ts";
import { type Lines } from "../../../src/api/handler.ts";
import {
  type Inventory,
  cluster,
  finished,
  jobCreate,
  run,
  runFinish,
  nodeFinish,
} from "../../support/inventory.ts";
import { ApiWorld } from "../../support/api-world.ts";
import { listener } from "../../support/api-listener.ts";
import { until } from "../../support/until.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("api streams");

type Line = Readonly<Record<string, unknown>>;

const ndjson = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

interface Sse {
  readonly id: string;
  readonly data: Line;
}
function sse(text: string): { readonly lines: Sse[]; readonly ended: boolean } {
  const blocks = text.split("\n\n").filter((block) => block.startsWith("id: "));
  const lines = blocks.map((block) => ({
    id: /^id: (.*)$/m.exec(block)?.[1] ?? "",
    data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null") as Line,
  }));
  return { lines, ended: text.endsWith("event: end\ndata: {}\n\n") };
}

const sseHeaders = { accept: "text/event-stream" };

/** A job on these nodes whose first run is under way on each. */
function running(job: string, ...nodes: readonly string[]): Inventory {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok(jobCreate(job, "cleanup", nodes));
  for (const node of nodes) begin(inventory, job, node, 1);
  return inventory;
}

function begin(inventory: Inventory, job: string, node: string, attempt: number): void {
  if (attempt === 1) {
    inventory.ok({ type: "job.node.begin", job, node, phase: null, roles: ["web"] });
  }
  inventory.ok({ type: "run.begin", job, node, run: run(job, node, { attempt }) });
}

function end(inventory: Inventory, job: string, node: string, attempt = 1): void {
  inventory.ok(runFinish(job, node, finished(run(job, node, { attempt }))));
}

function close(inventory: Inventory, job: string, ...nodes: readonly string[]): void {
  for (const node of nodes) inventory.ok(nodeFinish(job, node, { phase: "discovered" }));
  inventory.ok({ type: "job.finish", job, status: "succeeded" });
}

const id = (job: string, node: string, attempt = 1) => run(job, node, { attempt }).id;

it("gives events in order of index, with RFC 3339 times, as NDJSON", async () => {
  const world = new ApiWorld();
  const answer = await world.get("/v1/events");
  assert.match(String(answer.headers["content-type"]), /^application\/x-ndjson/);
  const events = ndjson(answer.text);
  assert.ok(events.length > 3);
  const indexes = events.map(({ index }) => Number(index));
  assert.equal(
    indexes,
    indexes.toSorted((a, b) => a - b),
  );
  assert.match(String(events[0]?.["time"]), /^\d{4}-.*Z$/);
  assert.equal(Object.keys(events[0] ?? {}).sort(), [
    "by",
    "data",
    "id",
    "index",
    "message",
    "seq",
    "subject",
    "time",
    "type",
  ]);
});

it("resumes events exactly after any of them, also within one index", async () => {
  const world = new ApiWorld();
  const whole = sse((await world.get("/v1/events", sseHeaders)).text);
  assert.ok(whole.ended);
  for (const [at, { id: lastId }] of whole.lines.entries()) {
    const headers = { ...sseHeaders, "last-event-id": lastId };
    const rest = sse((await world.get("/v1/events?since=0", headers)).text);
    assert.equal(rest.lines, whole.lines.slice(at + 1), lastId);
    const since = ndjson((await world.get(`/v1/events?since=${lastId}`)).text);
    assert.is(since.length, rest.lines.length);
  }
});

it("begins at an index, a time or a duration back, and refuses anything else", async () => {
  const world = new ApiWorld();
  const { inventory } = world;
  const before = inventory.view.appliedIndex;
  inventory.at = Date.now();
  inventory.ok({ type: "var.put", key: "a", value: 1 });
  const types = async (since: string) =>
    ndjson((await world.get(`/v1/events?since=${since}`)).text).map(({ type }) => type);
  assert.equal(await types(String(before)), ["var.changed"]);
  assert.equal(await types("1h"), ["var.changed"]);
  assert.equal(await types(new Date(Date.now() - 60_000).toISOString()), ["var.changed"]);
  assert.equal(await types("0s"), []);
  assert.is((await world.get("/v1/events?since=yesterday")).status, 400);
  assert.is((await world.get("/v1/events?since=1.2.3")).status, 400);
});

it("says that events are gone rather than leave a gap", async () => {
  const inventory = cluster("n1");
  for (let n = 0; n < 10_050; n += 1) inventory.ok({ type: "var.put", key: "a", value: n });
  const world = new ApiWorld({ inventory });
  const answer = await world.get("/v1/events?since=5");
  assert.is(answer.status, 422);
  assert.is(answer.json["code"], "EVENTS_TRIMMED");
  const { firstIndex } = answer.json["details"] as { firstIndex: number };
  assert.is(firstIndex, inventory.view.firstEventIndex);
  assert.is((await world.get(`/v1/events?since=${firstIndex - 1}`)).status, 200);
  assert.is((await world.get("/v1/events?since=0")).status, 200);
});

it("follows events as they are applied", async () => {
  await using api = await listener();
  const { world, client } = api;
  const since = String(world.inventory.view.appliedIndex);
  const stop = new AbortController();
  const seen: unknown[] = [];
  const reading = (async () => {
    const query = { follow: true, since };
    for await (const event of client.stream("getEvents", { query }, { signal: stop.signal })) {
      seen.push(event.subject);
      if (seen.length === 3) return;
    }
  })();
  for (const key of ["a", "b", "c"]) {
    world.inventory.ok({ type: "var.put", key, value: 1 });
    await until({ what: `${key} was seen`, deadlineMs: 5000, everyMs: 5 }, () =>
      seen.includes(`var/${key}`),
    );
  }
  await reading;
  stop.abort();
  assert.equal(seen, ["var/a", "var/b", "var/c"]);
});

it("gives the log of an ended job node by node, run by run, whole", async () => {
  const inventory = running("j1", "n1", "n2");
  const world = new ApiWorld({ inventory });
  world.transcript(id("j1", "n1")).append("n1 one\r\nn1 two\r\n");
  world.transcript(id("j1", "n2")).append("n2 one\r\n");
  end(inventory, "j1", "n1");
  begin(inventory, "j1", "n1", 2);
  world.transcript(id("j1", "n1", 2)).append("n1 three\r\nno newline");
  end(inventory, "j1", "n1", 2);
  end(inventory, "j1", "n2");
  close(inventory, "j1", "n1", "n2");
  for (const transcript of world.transcripts.values()) transcript.end();
  const answer = await world.get("/v1/jobs/j1/logs");
  const lines = ndjson(answer.text);
  assert.equal(
    lines.map(({ node, run: of, offset, text }) => [node, of, offset, text]),
    [
      ["n1", id("j1", "n1"), 0, "n1 one"],
      ["n1", id("j1", "n1"), 8, "n1 two"],
      ["n1", id("j1", "n1", 2), 0, "n1 three"],
      ["n1", id("j1", "n1", 2), 10, "no newline"],
      ["n2", id("j1", "n2"), 0, "n2 one"],
    ],
  );
  assert.equal(Object.keys(lines[0] ?? {}), ["node", "run", "offset", "time", "text"]);
  const only = ndjson((await world.get("/v1/jobs/j1/logs?node=n2")).text);
  assert.equal(
    only.map(({ text }) => text),
    ["n2 one"],
  );
  assert.is((await world.get("/v1/jobs/j1/logs?node=n3")).status, 404);
  assert.is((await world.get("/v1/jobs/j9/logs")).status, 404);
  assert.is((await world.get("/v1/jobs/j1/logs?since=whenever")).status, 400);
  assert.equal(ndjson((await world.get("/v1/jobs/j1/logs?since=1h")).text), []);
});

it("resumes a job's log after any line without losing or repeating one", async () => {
  const inventory = running("j1", "n1", "n2", "n3");
  const world = new ApiWorld({ inventory });
  for (const node of ["n1", "n2", "n3"]) {
    world.transcript(id("j1", node)).append(`${node} a\n${node} b\n\n${node} c`);
    end(inventory, "j1", node);
    begin(inventory, "j1", node, 2);
    world.transcript(id("j1", node, 2)).append(`${node} d\n`);
    end(inventory, "j1", node, 2);
  }
  close(inventory, "j1", "n1", "n2", "n3");
  for (const transcript of world.transcripts.values()) transcript.end();
  const whole = sse((await world.get("/v1/jobs/last/logs", sseHeaders)).text);
  assert.is(whole.lines.length, 15);
  assert.ok(whole.ended);
  for (const [at, { id: lastId }] of whole.lines.entries()) {
    const headers = { ...sseHeaders, "last-event-id": lastId };
    const rest = sse((await world.get("/v1/jobs/j1/logs", headers)).text);
    assert.equal(rest.lines, whole.lines.slice(at + 1), lastId);
    assert.equal(
      ndjson((await world.get(`/v1/jobs/j1/logs?since=${lastId}`)).text),
      whole.lines.slice(at + 1).map(({ data }) => data),
    );
  }
});

it("says so in the log when a run's output cannot be had, and goes on", async () => {
  const inventory = running("j1", "n1", "n2");
  const world = new ApiWorld({ inventory });
  world.transcript(id("j1", "n2")).append("n2 here\n");
  world.transcript(id("j1", "n2")).end();
  for (const node of ["n1", "n2"]) end(inventory, "j1", node);
  close(inventory, "j1", "n1", "n2");
  const [first, second] = ndjson((await world.get("/v1/jobs/j1/logs")).text);
  assert.is(first?.["notice"], true);
  assert.match(String(first?.["text"]), /j1\/n1\/web.*not available.*No agent has/);
  assert.is(second?.["text"], "n2 here");
});

it("follows all nodes side by side, begins with what there is, and ends with the job", async () => {
  const inventory = running("j1", "n1", "n2");
  await using api = await listener({ world: new ApiWorld({ inventory }) });
  const { world, client } = api;
  const [one, two] = [world.transcript(id("j1", "n1")), world.transcript(id("j1", "n2"))];
  one.append("n1 a\n");
  const seen: string[] = [];
  const reading = (async () => {
    const request = { params: { id: "j1" }, query: { follow: true } };
    for await (const { text } of client.stream("getJobLogs", request)) seen.push(text);
  })();
  const sees = (text: string) =>
    until({ what: `"${text}" was seen`, deadlineMs: 5000, everyMs: 5 }, () => seen.includes(text));
  await sees("n1 a");
  two.append("n2 a\n");
  await sees("n2 a");
  one.append("n1 b\n");
  await sees("n1 b");
  one.append("n1 begun, ");
  two.append("n2 b\n");
  await sees("n2 b");
  one.append("ended\n");
  for (const transcript of [one, two]) transcript.end();
  end(inventory, "j1", "n1");
  begin(inventory, "j1", "n1", 2);
  const again = world.transcript(id("j1", "n1", 2));
  again.append("n1 second run\n");
  await sees("n1 second run");
  again.end();
  end(inventory, "j1", "n1", 2);
  end(inventory, "j1", "n2");
  close(inventory, "j1", "n1", "n2");
  await reading;
  const expected = ["n1 a", "n2 a", "n1 b", "n2 b", "n1 begun, ended", "n1 second run"];
  assert.equal(seen.toSorted(), expected.toSorted());
});

it("shows a client every line once across dropped connections", async () => {
  const inventory = running("j1", "n1", "n2");
  await using api = await listener({ world: new ApiWorld({ inventory }) });
  const { world, client, socketPath } = api;
  const transcripts = ["n1", "n2"].map((node) => world.transcript(id("j1", node)));
  const seen: string[] = [];
  const request = { params: { id: "j1" }, query: { follow: true } };
  const proxy = await cuttingProxy(socketPath, `${api.folder}/proxy.sock`);
  const { ApiClient } = await import("../../../src/api/client.ts");
  const { systemClock } = await import("../../../src/base/clock.ts");
  const through = new ApiClient(
    { target: { kind: "socket", path: `${api.folder}/proxy.sock` } },
    { clock: systemClock },
  );
  assert.ok(client);
  const reading = (async () => {
    for await (const { text } of through.stream("getJobLogs", request)) seen.push(text);
  })();
  const expected: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    for (const [at, transcript] of transcripts.entries()) {
      expected.push(`n${at + 1} line ${round}`);
      transcript.append(`n${at + 1} line ${round}\n`);
    }
    const count = expected.length;
    await until(
      { what: `${count} lines`, deadlineMs: 10_000, everyMs: 5 },
      () => seen.length >= count,
    );
    proxy.cut();
  }
  for (const transcript of transcripts) transcript.end();
  for (const node of ["n1", "n2"]) end(inventory, "j1", node);
  close(inventory, "j1", "n1", "n2");
  await reading;
  proxy.close();
  assert.equal(seen.toSorted(), expected.toSorted());
  assert.ok(proxy.connections > 4);
});

it("carries a line of 1 MB and 100 000 lines", async () => {
  const inventory = running("j1", "n1");
  await using api = await listener({ world: new ApiWorld({ inventory }) });
  const { world, client } = api;
  const transcript = world.transcript(id("j1", "n1"));
  const long = "x".repeat(1024 * 1024);
  const many = Array.from({ length: 100_000 }, (_, n) => `line ${n}`);
  transcript.append(`${long}\n${many.join("\n")}\n`);
  transcript.end();
  end(inventory, "j1", "n1");
  close(inventory, "j1", "n1");
  const seen: string[] = [];
  for await (const { text } of client.stream("getJobLogs", { params: { id: "j1" } }))
    seen.push(text);
  assert.is(seen.length, 100_001);
  assert.is(seen[0], long);
  assert.is(seen.at(-1), "line 99999");
});

it("reads no further ahead than a stalled reader takes", async () => {
  const inventory = running("j1", "n1");
  await using api = await listener({ world: new ApiWorld({ inventory }) });
  const { world, socketPath } = api;
  const transcript = world.transcript(id("j1", "n1"));
  transcript.append(`${"y".repeat(1000)}\n`.repeat(32 * 1024));
  let furthest = 0;
  let reads = 0;
  const read = transcript.read.bind(transcript);
  transcript.read = (request) => {
    furthest = Math.max(furthest, request.offset);
    reads += 1;
    return read(request);
  };
  const { promise, resolve } = Promise.withResolvers<http.IncomingMessage>();
  const request = http.get({ socketPath, path: "/v1/jobs/j1/logs?follow=true" }, resolve);
  const response = await promise;
  response.pause();
  let last = 0;
  await until({ what: "reading came to rest", deadlineMs: 10_000, everyMs: 150 }, () => {
    const rests = reads === last && reads > 0;
    last = reads;
    return rests;
  });
  assert.ok(furthest < 8 * 1024 * 1024, `read ${furthest} bytes ahead`);
  assert.is((await world.get("/v1/status")).status, 200);
  request.destroy();
});

async function* listed(values: readonly number[]): Lines<number> {
  for (const value of values) yield [{ id: String(value), value }];
}

async function* never(signal: AbortSignal): Lines<number> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  yield* listed([]);
}

it("beats while nothing happens, and does not call a cut stream complete", async () => {
  for (const [format, beat] of [
    ["sse", ": alive\n\n"],
    ["ndjson", "\n"],
  ] as const) {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const text = streamText(never(stop.signal), { format, clock, signal: stop.signal });
    if (format === "sse") assert.is((await text.next()).value, beat);
    for (let n = 0; n < 3; n += 1) {
      const next = text.next();
      await clock.advance(heartbeatMs);
      assert.is((await next).value, beat);
    }
    const next = text.next();
    stop.abort(new Error("cut"));
    await assert_rejects(next, /cut/);
  }
});

it("drops a reader that takes nothing for a minute", async () => {
  const clock = new VirtualClock();
  let dropped = 0;
  const signal = new AbortController().signal;
  const text = streamText(listed([1, 2]), { format: "ndjson", clock, signal });
  const limited = limitStall(text, { clock, stallMs: 60_000, onStall: () => (dropped += 1) });
  await limited.next();
  await clock.advance(59_000);
  await limited.next();
  await clock.advance(59_000);
  assert.is(dropped, 0);
  await clock.advance(2000);
  assert.is(dropped, 1);
});

async function assert_rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  let failure: unknown = null;
  await promise.catch((error: unknown) => (failure = error));
  assert.match(String(failure), pattern);
}

/** Passes connections on until it is told to cut them all. */
async function cuttingProxy(to: string, path: string) {
  const net = await import("node:net");
  const open = new Set<{ destroy(): unknown }>();
  const state = { connections: 0 };
  const server = net.createServer((near) => {
    state.connections += 1;
    const far = net.connect(to);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => open.delete(socket));
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const cut = (): void => open.forEach((socket) => socket.destroy());
  return {
    cut,
    close: () => {
      cut();
      server.close();
    },
    get connections() {
      return state.connections;
    },
  };
}

it.run();
