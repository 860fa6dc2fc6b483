// An ordinary application on @qdrant/js-client-rest: `node qdrant_js.mjs PACKAGES`; the dialogue is turns.py's.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { QdrantClient } = createRequire(`${process.argv[2]}/`)("@qdrant/js-client-rest");
const clients = new Map();
const GENRES = ["crime", "poetry", "travel"];

const embed = (text) => [...createHash("sha256").update(text).digest()].slice(0, 8).map((byte) => byte / 128 - 1);

const point = (turn, number) => ({
  id: turn * 100 + number,
  vector: embed(`text ${number} of turn ${turn}`),
  payload: { text: `text ${number}`, genre: GENRES[number % 3], year: 1990 + number, turn, tags: ["all", `t${number % 4}`] },
});

const hits = (found) => found.map(({ id, score, payload }) => [id, score, payload ?? null]);
const records = (found) => found.map(({ id, payload, vector }) => [id, payload ?? null, vector ?? null]);

async function take(client, name, turn) {
  if (!(await client.collectionExists(name)).exists) {
    await client.createCollection(name, { vectors: { size: 8, distance: "Dot" } });
    await client.createPayloadIndex(name, { field_name: "genre", field_schema: "keyword", wait: true });
  }
  const points = Array.from({ length: 12 }, (_, number) => point(turn, number));
  const said = [
    await client.upsert(name, { wait: true, points }),
    await client.delete(name, { wait: true, points: [turn * 100 + 3] }),
    await client.delete(name, { wait: true, filter: { must: [{ key: "turn", match: { value: turn } }, { key: "year", range: { gt: 2000 } }] } }),
    await client.setPayload(name, { wait: true, payload: { seen: turn }, filter: { must: [{ key: "genre", match: { value: "travel" } }] } }),
  ];
  const vector = embed(`query ${turn}`);
  const filter = { must: [{ key: "genre", match: { any: ["crime", "poetry"] } }], must_not: [{ key: "year", range: { lt: 1992 } }] };
  const { points: near } = await client.query(name, { query: vector, limit: 5, with_payload: true });
  const { points: kept, next_page_offset } = await client.scroll(name, { limit: 7, with_vector: true });
  return {
    said: said.map(({ status }) => status),
    near: hits(near),
    filtered: hits((await client.query(name, { query: vector, filter, limit: 5, with_payload: ["year"] })).points),
    older: hits(await client.search(name, { vector, filter, limit: 3 })),
    likeOne: hits((await client.query(name, { query: turn * 100 + 1, limit: 3 })).points),
    kept: records(kept),
    next: next_page_offset ?? null,
    got: records(await client.retrieve(name, { ids: [turn * 100 + 1, turn * 100 + 3], with_payload: true })),
    count: (await client.count(name, { filter, exact: true })).count,
    told: (await client.getCollection(name)).config.params.vectors,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { at: [url], collection, turn } = JSON.parse(line);
  if (!clients.has(url)) clients.set(url, new QdrantClient({ url, checkCompatibility: false }));
  const saw = await take(clients.get(url), collection, turn).catch((error) => ({ error: `${error.stack} ${JSON.stringify(error.data ?? null)}` }));
  console.log(JSON.stringify(saw));
}
