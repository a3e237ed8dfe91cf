import { once } from "node:events";
import { link, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ApiClient, type ClientOptions } from "../../../src/api/client.ts";
import { parseTarget } from "../../../src/api/client/target.ts";
import { type ApiServerOptions } from "../../../src/api/server.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { listener } from "../../support/api-listener.ts";
import { ask } from "../../support/http.ts";
import { until } from "../../support/until.ts";

const it = suite("api server and client");
const fixtures = path.join(import.meta.dirname, "../../fixtures/tls");
const tls = {
  certFile: path.join(fixtures, "cert.pem"),
  keyFile: path.join(fixtures, "key.pem"),
};

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(() => "none", errorCode);
}

/** Code with which a server with these options does not start. */
async function startCode(options: Partial<ApiServerOptions>): Promise<string | undefined> {
  return codeOf(
    listener(options).then(async (started) => {
      await started[Symbol.asyncDispose]();
    }),
  );
}

function clientOf(options: ClientOptions): ApiClient {
  return new ApiClient(options, { clock: systemClock });
}

it("listens on a socket that only its owner may use, and takes it away when it stops", async () => {
  const api = await listener();
  const { mode } = await stat(api.socketPath);
  assert.is(mode & 0o777, 0o600);
  assert.equal(await readdir(api.folder), ["api.sock"]);
  assert.is((await api.client.call("getStatus", {})).value.node, "n1");
  await api.server.stop();
  assert.equal(await readdir(api.folder), []);
  await api[Symbol.asyncDispose]();
});

it("replaces the socket of a dead process, and refuses that of a live one", async () => {
  await using api = await listener();
  assert.is(await startCode({ socketPath: api.socketPath }), "SOCKET_IN_USE");
  assert.is((await api.client.call("getStatus", {})).status, 200);
  const stale = path.join(api.folder, "stale.sock");
  const dead = net.createServer();
  dead.listen(path.join(api.folder, "first"));
  await once(dead, "listening");
  await link(path.join(api.folder, "first"), stale);
  dead.close();
  assert.ok((await stat(stale)).isSocket());
  assert.is(await startCode({ socketPath: stale }), "none");
});

it("puts its socket over nothing else", async () => {
  await using api = await listener();
  const file = path.join(api.folder, "file");
  await writeFile(file, "precious");
  assert.is(await startCode({ socketPath: file }), "SOCKET_PATH_TAKEN");
  assert.is(await readFile(file, "utf8"), "precious");
  const pointer = path.join(api.folder, "link");
  await symlink(file, pointer);
  assert.is(await startCode({ socketPath: pointer }), "SOCKET_PATH_TAKEN");
  await mkdir(path.join(api.folder, "dir"));
  assert.is(await startCode({ socketPath: path.join(api.folder, "dir") }), "SOCKET_PATH_TAKEN");
  assert.is(
    await startCode({ socketPath: path.join(api.folder, "none", "x.sock") }),
    "SOCKET_PATH_TAKEN",
  );
  const long = path.join(api.folder, "x".repeat(100));
  assert.is(await startCode({ socketPath: long }), "SOCKET_PATH_TAKEN");
});

it("is not open to other machines without TLS", async () => {
  for (const listen of ["0.0.0.0:0", "10.1.2.3:0", "[::]:0"]) {
    assert.is(await startCode({ listen }), "INSECURE_LISTEN", listen);
  }
  assert.is(await startCode({ listen: "nonsense" }), "LISTEN_FAILED");
  assert.is(await startCode({ listen: "127.0.0.1:70000" }), "LISTEN_FAILED");
  const none = { certFile: "/none", keyFile: "/none" };
  assert.is(await startCode({ listen: "127.0.0.1:0", tls: none }), "TLS_INVALID");
  const swapped = { certFile: tls.keyFile, keyFile: tls.certFile };
  assert.is(await startCode({ listen: "127.0.0.1:0", tls: swapped }), "TLS_INVALID");
});

it("asks for a token over the network, with and without TLS", async () => {
  for (const secure of [false, true]) {
    await using api = await listener({ listen: "127.0.0.1:0", tls: secure ? tls : null });
    const { world, server } = api;
    world.tokens.set("good", { actor: "token:t", role: "reader" });
    const ca = await readFile(tls.certFile, "utf8");
    assert.match(String(server.url), secure ? /^https:/ : /^http:/);
    const open = (token: string) =>
      clientOf({ target: parseTarget(String(server.url), { token, ca }) });
    assert.is((await open("good").call("getStatus", {})).value.node, "n1");
    assert.is(await codeOf(open("bad").call("getStatus", {})), "UNAUTHENTICATED");
    const request = { params: { key: "a" }, body: { value: 1 } };
    assert.is(await codeOf(open("good").call("putVar", request)), "FORBIDDEN");
    if (secure) {
      const distrusting = clientOf({ target: parseTarget(String(server.url), { token: "good" }) });
      assert.is(await codeOf(distrusting.call("getStatus", {})), "NO_AGENT");
    }
  }
});

it("refuses 100 MB after a glance, keeps nothing of it, and closes the connection", async () => {
  await using api = await listener({ listen: "127.0.0.1:0" });
  api.world.tokens.set("good", { actor: "token:t", role: "admin" });
  const { hostname: host, port } = new URL(String(api.server.url));
  const ways = [{ socketPath: api.socketPath }, { host, port }];
  for (const [where, chunked] of ways.flatMap(
    (way) =>
      [
        [way, false],
        [way, true],
      ] as const,
  )) {
    const before = process.memoryUsage().rss;
    const size = 100 * 1024 * 1024;
    const headers = {
      authorization: "Bearer good",
      "content-type": "application/json",
      ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": String(size) }),
    };
    const options = { ...where, path: "/v1/vars/a", method: "PUT", headers };
    const request = http.request({ ...options, agent: false });
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    request.once("response", resolve);
    request.once("error", reject);
    const piece = Buffer.alloc(64 * 1024, "x");
    let sent = 0;
    let answered = false;
    const pump = (): void => {
      while (!answered && sent < size && !request.destroyed) {
        sent += piece.length;
        if (!request.write(piece)) {
          request.once("drain", pump);
          return;
        }
      }
    };
    pump();
    const response = await promise;
    answered = true;
    assert.is(response.statusCode, 413);
    assert.is(response.headers.connection, "close");
    let text = "";
    for await (const part of response as AsyncIterable<Buffer>) text += part.toString();
    assert.is((JSON.parse(text) as { code: string }).code, "TOO_LARGE");
    await new Promise<void>((closed) => {
      if (request.socket?.destroyed === true) closed();
      request.socket?.once("close", () => closed());
      request.on("error", () => {});
    });
    assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024);
  }
  assert.is((await api.client.call("getStatus", {})).status, 200);
});

it("gives its refusal also to a caller that looks only after it has sent everything", async () => {
  await using api = await listener({ listen: "127.0.0.1:0" });
  api.world.tokens.set("good", { actor: "token:t", role: "admin" });
  const { port } = new URL(String(api.server.url));
  const socket = net.connect(Number(port), "127.0.0.1");
  socket.pause();
  socket.on("error", () => {});
  const size = 16 * 1024 * 1024;
  socket.write(
    `PUT /v1/vars/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n`,
  );
  const piece = Buffer.alloc(256 * 1024, "x");
  for (let sent = 0; sent < size; sent += piece.length) {
    await new Promise<void>((resolve, reject) => {
      socket.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  }
  let answer = "";
  for await (const part of socket as AsyncIterable<Buffer>) answer += part.toString();
  assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*TOO_LARGE/);
});

it("tells a caller that asks first about a body that is too large", async () => {
  await using api = await listener();
  const answer = await raw(
    api.socketPath,
    "PUT /v1/vars/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\nExpect: 100-continue\r\n\r\n",
  );
  assert.match(answer, /^HTTP\/1\.1 413 /);
});

it("answers what is no HTTP, and headers that are too large, with problems", async () => {
  await using api = await listener();
  assert.match(
    await raw(api.socketPath, "HELLO\r\n\r\n"),
    /^HTTP\/1\.1 400 [\s\S]*problem\+json[\s\S]*INVALID_REQUEST/,
  );
  const large = `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`;
  assert.match(await raw(api.socketPath, large), /^HTTP\/1\.1 431 [\s\S]*HEADERS_TOO_LARGE/);
});

async function raw(socketPath: string, text: string): Promise<string> {
  const socket = net.connect(socketPath);
  socket.write(text);
  let answer = "";
  for await (const part of socket as AsyncIterable<Buffer>) answer += part.toString();
  return answer;
}

it("keeps a connection after a refusal that left nothing unread", async () => {
  await using api = await listener();
  const socket = net.connect(api.socketPath);
  let answers = "";
  for (let round = 1; round <= 3; round += 1) {
    socket.write("GET /v1/nodes/n9 HTTP/1.1\r\nHost: x\r\n\r\n");
    while (answers.split("HTTP/1.1 404").length <= round) {
      const [part] = (await once(socket, "data")) as [Buffer];
      answers += part.toString();
    }
  }
  assert.not.match(answers, /connection: close/i);
  socket.destroy();
});

it("does not count for ever those who hung up before their answer", async () => {
  await using api = await listener();
  const { promise, resolve } = Promise.withResolvers<void>();
  api.world.barrierHeld = promise;
  const head = "GET /v1/vars?consistency=linearizable HTTP/1.1\r\nHost: x\r\n\r\n";
  for (let batch = 1; batch <= 11; batch += 1) {
    const sockets = Array.from({ length: 100 }, () => net.connect(api.socketPath));
    for (const socket of sockets) socket.write(head);
    await until({ what: "all wait" }, () => api.world.barriers === batch * 100);
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map((socket) => once(socket, "close")));
  }
  resolve();
  const { status, text } = await ask({ socketPath: api.socketPath, path: "/v1/vars" });
  assert.is(status, 200, text);
});

it("ends streams when it stops, without calling them complete", async () => {
  const api = await listener();
  const response = await new Promise<http.IncomingMessage>((resolve) => {
    const path = "/v1/events?follow=true";
    http.get(
      { socketPath: api.socketPath, path, headers: { accept: "text/event-stream" } },
      resolve,
    );
  });
  let text = "";
  response.on("data", (part: Buffer) => (text += part.toString()));
  response.on("error", () => {});
  const ended = new Promise((resolve) => response.once("close", resolve));
  await once(response, "data");
  await api[Symbol.asyncDispose]();
  await ended;
  assert.is(response.complete, false);
  assert.not.match(text, /event: end/);
});

it("gives problems as errors with their code, and ETags as they are", async () => {
  await using api = await listener();
  const { client } = api;
  const put = (value: number, ifMatch?: string | null) =>
    client.call(
      "putVar",
      { params: { key: "a" }, body: { value } },
      ifMatch === undefined ? {} : { ifMatch },
    );
  const created = await put(1, null);
  assert.is(created.etag, `"${created.value.version}"`);
  assert.is(created.index, api.world.inventory.view.appliedIndex);
  assert.is((await put(2, created.etag)).value.value, 2);
  const failure = await put(3, created.etag).catch((error: unknown) => error);
  assert.ok(failure instanceof AgentError);
  assert.is(failure.code, "VERSION_MISMATCH");
  assert.is(failure.details["status"], 412);
  assert.is(await codeOf(client.call("getNode", { params: { name: "no/../such" } })), "NOT_FOUND");
  assert.is(await codeOf(client.call("getNode", { params: { name: ".." } })), "INVALID_REQUEST");
  const jobs = { action: "upgrade", nodes: ["n1"] } as const;
  const refused = await client.call("createJob", { body: jobs }).catch((error: unknown) => error);
  assert.ok(refused instanceof AgentError && refused.code === "PRECHECK_FAILED");
  assert.is((refused.details["problems"] as { node: string }[])[0]?.node, "n1");
  const empty = await client.call("deleteVar", { params: { key: "a" } });
  assert.is(empty.status, 204);
  assert.match(await client.metrics(), /muster_api_request_duration_seconds/);
});

it("says in one sentence that no agent is there", async () => {
  const client = clientOf({ target: parseTarget("/nowhere/api.sock") });
  const failure = await client.call("getStatus", {}).catch((error: unknown) => error);
  assert.ok(failure instanceof AgentError);
  assert.is(failure.code, "NO_AGENT");
  assert.match(failure.message, /unix:\/nowhere\/api\.sock/);
  const refused = clientOf({ target: parseTarget("http://127.0.0.1:1") });
  assert.is(await codeOf(refused.call("getStatus", {})), "NO_AGENT");
  const stream = client.stream("getEvents", {});
  assert.is(await codeOf(stream.next()), "NO_AGENT");
});

it("leaves the outcome of a write open when the connection breaks or time runs out", async () => {
  await using api = await listener();
  const mute = path.join(api.folder, "mute.sock");
  let drop = false;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => drop && socket.destroy());
  });
  server.listen(mute);
  await once(server, "listening");
  const client = clientOf({ target: parseTarget(mute), timeoutMs: 150 });
  const put = () => client.call("putVar", { params: { key: "a" }, body: { value: 1 } });
  assert.is(await codeOf(put()), "UNKNOWN_OUTCOME");
  assert.is(await codeOf(client.call("getStatus", {})), "GAVE_UP");
  drop = true;
  assert.is(await codeOf(put()), "UNKNOWN_OUTCOME");
  assert.is(await codeOf(client.call("getStatus", {})), "CONNECTION_LOST");
  for (const socket of sockets) socket.destroy();
  server.close();
});

it("knows when something else answers", async () => {
  const other = http.createServer((_, response) => response.writeHead(500).end("<html>"));
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as net.AddressInfo;
  const client = clientOf({ target: parseTarget(`http://127.0.0.1:${port}`) });
  assert.is(await codeOf(client.call("getStatus", {})), "BAD_ANSWER");
  other.close();
  assert.is(await codeOf(Promise.resolve().then(() => parseTarget("http://"))), "INVALID_ADDRESS");
});

it("loads no library with the client, as every start of the command line pays for it", async () => {
  const source = path.join(import.meta.dirname, "../../../src/api");
  const loaded = new Set<string>();
  const packages: string[] = [];
  const visit = async (file: string): Promise<void> => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const text = await readFile(file, "utf8");
    for (const [, target = ""] of text.matchAll(
      /^(?:import|export) (?!type )[^;]*?from "([^"]+)"/gm,
    )) {
      if (target.startsWith(".")) await visit(path.join(path.dirname(file), target));
      else if (!target.startsWith("node:")) packages.push(`${target} by ${file}`);
    }
  };
  await visit(path.join(source, "client.ts"));
  assert.equal(packages, []);
  assert.ok(loaded.size > 8);
});

it("serves a raw caller as well as its own client", async () => {
  await using api = await listener();
  const { status, json } = await ask({ socketPath: api.socketPath, path: "/v1/nodes/n1" });
  assert.is(status, 200);
  assert.is((json as { name: string }).name, "n1");
});

it.run();
