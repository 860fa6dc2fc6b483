// Every form of call by @grpc/grpc-js against the service in net_grpc_service.py; prints what it saw as one JSON object.
const grpc = require("@grpc/grpc-js");

const same = (bytes) => bytes;
const limits = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure(), limits);
const zipping = new grpc.Client(process.argv[2], grpc.credentials.createInsecure(), {
  ...limits,
  "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
});

/** Resolves with the reply, or rejects with the error. */
const unary = (method, body = Buffer.alloc(0), options = {}, by = client) =>
  new Promise((resolve, reject) =>
    by.makeUnaryRequest(method, same, same, body, new grpc.Metadata(), options, (error, reply) =>
      error ? reject(error) : resolve(reply),
    ),
  );

const told = (call) => call.then(() => [0, ""], (error) => [error.code, error.details]);

const within = (milliseconds) => ({ deadline: Date.now() + milliseconds });

async function clientStreaming() {
  return new Promise((resolve, reject) => {
    const done = (error, reply) => (error ? reject(error) : resolve(reply.toString()));
    const call = client.makeClientStreamRequest("/t/total", same, same, new grpc.Metadata(), {}, done);
    for (let at = 0; at < 200; at++) call.write(Buffer.alloc(5000));
    call.end();
  });
}

async function bothInTurn() {
  const call = client.makeBidiStreamRequest("/t/talk", same, same, new grpc.Metadata(), {});
  const replies = call[Symbol.asyncIterator]();
  const sizes = [];
  for (const size of [1, 2, 100_000]) {
    call.write(Buffer.alloc(size));
    sizes.push((await replies.next()).value.length);
  }
  call.end();
  return [...sizes, (await replies.next()).done ? 0 : -1];
}

async function serverStreaming() {
  let count = 0;
  for await (const _ of client.makeServerStreamRequest("/t/count", same, same, Buffer.from("500"))) count++;
  return count;
}

async function cancelled() {
  const call = client.makeServerStreamRequest("/t/sleep", same, same, Buffer.alloc(0));
  await new Promise((resolve) => call.once("metadata", resolve));
  return new Promise((resolve) => {
    call.on("data", () => {});
    call.once("error", (error) => resolve(error.code));
    call.cancel();
  });
}

async function metadata() {
  const sent = new grpc.Metadata();
  sent.set("x-sent", "yes");
  sent.set("x-sent-bin", Buffer.from([0, 255, 1]));
  return new Promise((resolve, reject) => {
    let head;
    const call = client.makeUnaryRequest("/t/echo", same, same, Buffer.alloc(0), sent, {}, (error) => error && reject(error));
    call.on("metadata", (seen) => (head = seen));
    call.on("status", ({ metadata: trailer }) =>
      resolve([
        head.get("x-seen")[0],
        head.get("x-seen-bin")[0].toString("base64"),
        trailer.get("x-last")[0],
        trailer.get("x-last-bin")[0].toString("base64"),
      ]),
    );
  });
}

const large = Buffer.from("0123456789abcdef".repeat(2 ** 18));
const cases = {
  "unary": async () => (await unary("/t/echo", Buffer.from("hello"))).toString(),
  "server streaming": serverStreaming,
  "client streaming": clientStreaming,
  "both in turn": bothInTurn,
  "an error": () => told(unary("/t/refuse")),
  "an unknown method": async () => (await told(unary("/t/missing")))[0],
  "gzip": async () => (await unary("/t/zipped", Buffer.alloc(100_000, "z"), {}, zipping)).length,
  "the deadline": async () => (await unary("/t/remaining", undefined, within(20_000))).toString(),
  "a passed deadline": async () => (await told(unary("/t/sleep", undefined, within(200))))[0],
  "cancelled": cancelled,
  "large": async () => large.equals(await unary("/t/echo", large)),
  "metadata": metadata,
};

async function main() {
  const seen = {};
  for (const [name, act] of Object.entries(cases)) seen[name] = await act();
  console.log(JSON.stringify(seen));
  client.close();
  zipping.close();
}

main();
