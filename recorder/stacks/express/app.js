// A web application with sessions, as many are: Express, express-session, connect-redis, a Redis that Sentinels
// watch over. Nothing in here is clever; what can be configured badly is a switch, by environment:
//
//   NAME HOST PORT       who this node is, and where it listens
//   SENTINELS            host:port,.. of the Sentinels that know the primary as "steadfast"
//   AUDIT                the file that all nodes append critical events to
//   TTL_MS               how long a session lives
//   RESAVE ROLLING SAVE_UNINITIALIZED   yes or no, as express-session knows them
//   REGENERATE           no: a renewal keeps the id (session fixation)
//   REDIRECT             yes: a write is answered with a redirect, before the session is saved; after-save: then
//   EDITS                compared: a session is saved only over the version that the user had read
//   SAVE_OVER            existing: a session that was found is saved only if it is still there
//   ORDERS               session: orders are kept in the session, not in a list of their own
//   REPLICA_READS        yes: sessions are read at any Redis server
//   WAIT                 how many replicas must have what was done to a session before the request goes on
//   READS                confirmed: so many replicas must have all that a read may show, too
//   NEWS                 yes: each write is news for the streams of its user; forget: a resumed stream begins with the next
//   MEMORY               yes: sessions are kept in this process
//   SLOW_WRITE_MS SLOW_RENEW_MS SLOW_SHARE   how long a write or an order (a renewal) takes, in this share of them
//   STORE_DELAY_MS       how much longer the store takes for each write
//   VERSION              2: a later version of this application, which keeps the data under another name
//   MIGRATION            expand: version 2 keeps it under both names, and reads what version 1 reads
//
// Asked to end (SIGTERM) it tells the proxy so, goes on until that has noticed, finishes what is under way, and ends.
"use strict";

const fs = require("node:fs");
const express = require("express");
const session = require("express-session");
const { RedisStore } = require("connect-redis");
const { createSentinel } = require("redis");

const env = process.env;
const yes = (name) => env[name] === "yes";
const number = (name) => Number(env[name] || 0);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const [name, lives] = [env.NAME, number("TTL_MS") || 30 * 60 * 1000];

const socket = { localAddress: env.HOST, connectTimeout: 1000, reconnectStrategy: (tries) => Math.min(tries * 50, 500) };
const redis = createSentinel({
  name: "steadfast",
  sentinelRootNodes: env.SENTINELS.split(",").map((address) => {
    const [host, port] = address.split(":");
    return { host, port: Number(port) };
  }),
  nodeClientOptions: { socket },
  sentinelClientOptions: { socket },
  masterPoolSize: number("WAIT") ? 16 : 4,
  replicaPoolSize: yes("REPLICA_READS") ? 2 : 0,
  scanInterval: 500,
});
redis.on("error", (error) => console.error("redis:", error.message));
redis.on("client-error", (event) => console.error("redis:", event.error.message));

// Each WAIT has a connection to itself while it lasts. These are kept: to lease one anew, as `use` does, takes this client
// 16 ms, many times what a WAIT takes. Fewer than there are, so that some are left for what needs no WAIT.
const leases = { most: 12, count: 0, idle: [], wanted: [] };
const leased = async (work) => {
  let one = leases.idle.pop();
  if (!one && leases.count < leases.most) {
    leases.count += 1;
    one = await redis.acquire().catch((error) => {
      leases.count -= 1;
      throw error;
    });
  }
  one ??= await new Promise((resolve) => leases.wanted.push(resolve));
  try {
    return await work(one);
  } finally {
    const next = leases.wanted.shift();
    if (next) next(one);
    else leases.idle.push(one);
  }
};
// A write, and with WAIT the word of so many replicas that they have it. Both go out as one pipeline: between two
// calls this client may move to another primary, and WAIT there would confirm what was never sent to it.
const confirmed = (write) => {
  if (!number("WAIT")) return write(redis);
  return leased(async (one) => {
    const [reply, replicas] = await write(one.multi()).wait(number("WAIT"), 300).execAsPipeline();
    // Nothing was done if nothing was there to be deleted, or to be saved over.
    if (reply && replicas < number("WAIT")) throw new Error(`WAIT: ${replicas} replicas have it`);
    return reply;
  });
};
// A read, and where asked for the word of so many replicas that they have what it shows: WAIT waits for the last write
// of its own connection, so there is one after the read. A primary that is cut off shows nothing then.
const read = (asked) => {
  if (env.READS !== "confirmed") return asked(redis);
  return leased(async (one) => {
    const [reply, , replicas] = await asked(one.multi()).set("fence", name).wait(number("WAIT"), 300).execAsPipeline();
    if (replicas < number("WAIT")) throw new Error(`WAIT: ${replicas} replicas have what was read`);
    return reply;
  });
};
// What connect-redis needs of a client; with a delay where it is asked for.
const client = {
  get: (key) => read((one) => one.get(key)),
  expire: (key, seconds) => redis.expire(key, seconds),
  del: (keys) => confirmed((one) => one.del(keys)),
  async set(key, value, options) {
    if (number("STORE_DELAY_MS")) await sleep(number("STORE_DELAY_MS"));
    return confirmed((one) => one.set(key, value, options));
  },
};

// A store for applications that save before they answer.
//
// It saves over sessions that exist only, if asked to: a slow request of a session that was ended or renewed
// meanwhile finds that out when it saves, instead of bringing the session back. SET with XX makes both one step.
// And it saves nothing twice: express-session saves a session with a new id once more after the answer has begun,
// over whatever the next request has written by then.
class CarefulStore extends RedisStore {
  #found = new WeakSet();
  #saved = new WeakMap();

  createSession(request, kept) {
    const held = super.createSession(request, kept);
    this.#found.add(held);
    return held;
  }

  async set(id, held, done) {
    const content = JSON.stringify({ ...held, cookie: null });
    if (this.#saved.get(held) === content) return done(null);
    try {
      const expiration = { type: "EX", value: this.getTTL(held) };
      const condition = careful && this.#found.has(held) ? "XX" : undefined;
      const reply = await this.client.set(this.prefix + id, JSON.stringify(held), { expiration, condition });
      if (reply === null) return done(Object.assign(new Error("the session is gone"), { gone: true }));
      this.#saved.set(held, content);
      return done(null);
    } catch (error) {
      return done(error);
    }
  }
}
const careful = env.SAVE_OVER === "existing";
// Left alone, express-session saves while it answers, and has said 200 when that fails. Where it matters whether a
// session was saved, it is saved first.
const savesFirst = careful || env.REDIRECT === "after-save" || number("WAIT") > 0;
const store = () => {
  if (yes("MEMORY")) return new session.MemoryStore();
  return savesFirst ? new CarefulStore({ client }) : new RedisStore({ client });
};

const app = express();
let ending = false;
app.get("/health", (request, response) => response.sendStatus(ending ? 503 : 200));
app.use(express.json({ limit: "16mb" }));
app.use(
  session({
    secret: "not a secret: this application is for tests",
    store: store(),
    resave: yes("RESAVE"),
    rolling: yes("ROLLING"),
    saveUninitialized: yes("SAVE_UNINITIALIZED"),
    cookie: { maxAge: lives },
  }),
);

// Under which names the data is kept, the one that is read first. Version 2 has another name for it. It still reads
// what version 1 wrote, which cannot read what it writes; unless the change is made in two steps, of which the first
// writes under both names and reads under the old one, because an old node may write there at any time.
const names = env.VERSION !== "2" ? ["data"] : env.MIGRATION === "expand" ? ["data", "payload"] : ["payload"];
const holding = (value) => Object.fromEntries(names.map((name) => [name, value]));
const held = (kept) => (kept[names[0]] === undefined ? kept.data : kept[names[0]]);

const trace = (request) => (request.get("traceparent") || "").split("-")[1] || null;
const audit = (request, event, id, value = null) => {
  const entry = { event, id, trace: trace(request), user: request.session?.user ?? null, value, node: name, clock: Date.now() };
  fs.appendFileSync(env.AUDIT, JSON.stringify(entry) + "\n");
};
const answer = (response, status, body) =>
  response.set({ "x-node": name, "x-clock": String(Date.now()) }).status(status).json(body);
const save = async (request) => {
  if (savesFirst) await promised((done) => request.session.save(done));
};
const saved = async (request, response) => {
  try {
    await save(request);
  } catch (error) {
    if (!error.gone) throw error;
    return gone(request, response);
  }
  if (!["yes", "after-save"].includes(env.REDIRECT)) return answer(response, 200, {});
  response.set({ "x-node": name, "x-clock": String(Date.now()) }).redirect(303, "/session");
};
// Another request ended or renewed the session while this one was under way. Nothing is saved, no cookie is set.
const gone = (request, response) => {
  request.session = null;
  answer(response, 401, { error: "not logged in any more" });
};
// Takes a session out of the store in one step: what it held, or null if another request took it first.
const taken = async (request) => JSON.parse(await confirmed((one) => one.getDel(`sess:${request.sessionID}`)));
// Which requests are slow follows from their trace: the same ones in every run.
const slow = async (request, what) => {
  if (request.query.slow) return sleep(Number(request.query.slow));
  const draw = parseInt((trace(request) || "0").slice(-8), 16) * 2654435761;
  if (number(what) && (draw % 1000) / 1000 < Number(env.SLOW_SHARE || 1)) await sleep(number(what));
};
const known = (request, response, next) => (request.session.user ? next() : answer(response, 401, { error: "not logged in" }));
const promised = (act) => new Promise((resolve, reject) => act((error) => (error ? reject(error) : resolve())));

app.get("/", (request, response) => {
  request.session.visited = true;
  answer(response, 200, {});
});
app.post("/login", async (request, response) => {
  if (!(env.REGENERATE === "no")) await promised((done) => request.session.regenerate(done));
  Object.assign(request.session, { user: request.body.user, ...holding(request.body.value), fields: {} });
  await save(request);
  await latest(request);
  audit(request, "create", request.sessionID);
  answer(response, 200, {});
});
app.get("/session", known, (request, response) => {
  const { user, fields } = request.session;
  answer(response, 200, { user, value: held(request.session) ?? null, fields });
});
// Saves a session over the version that its user had read, and over no other: both in one step of the store. What express-session
// would save in the end is not saved.
const SET_IF_SAME =
  "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";
const saveOver = async (request, response) => {
  const key = `sess:${request.sessionID}`;
  const raw = await read((one) => one.get(key));
  if (raw === null) return gone(request, response);
  const kept = JSON.parse(raw);
  const next = JSON.stringify({ ...kept, ...holding(request.body.value), fields: {} });
  const same = held(kept) === request.body.base;
  const arguments_ = { keys: [key], arguments: [raw, next, String(lives)] };
  const done = same && (await confirmed((one) => one.eval(SET_IF_SAME, arguments_)));
  request.session = null;
  return done ? answer(response, 200, {}) : answer(response, 409, { error: "changed since it was read" });
};
app.put("/session", known, async (request, response) => {
  await slow(request, "SLOW_WRITE_MS");
  await addNews(request);
  if (env.EDITS === "compared" && request.body.base) return saveOver(request, response);
  Object.assign(request.session, { ...holding(request.body.value), fields: {} });
  await saved(request, response);
});
app.patch("/session", known, async (request, response) => {
  await slow(request, "SLOW_WRITE_MS");
  await addNews(request);
  request.session.fields[request.body.field] = request.body.value;
  await saved(request, response);
});
// The news of a user are numbered from 1. Those that a failover takes back have no event.
const newest = async (user) => Number((await redis.get(`news:${user}`)) || 0);
const addNews = async (request) => {
  if (["yes", "forget"].includes(env.NEWS)) await redis.incr(`news:${request.session.user}`).catch(() => 0);
};
// What a page keeps open to show news: a live connection. It says whose it is, then what is new, and that it is alive. If it
// is resumed, it begins after the last event that the page has.
const streams = new Set();
app.get("/events", known, async (request, response) => {
  const { user } = request.session;
  const last = request.get("last-event-id");
  let sent = last && env.NEWS !== "forget" ? Number(last) : await newest(user);
  let asking = false;
  const tell = async () => {
    if (asking) return;
    asking = true;
    const now = await newest(user).catch(() => sent);
    asking = false;
    while (sent < now && streams.has(response)) {
      sent += 1;
      response.write(`id: ${sent}\ndata: ${JSON.stringify({ user, news: sent })}\n\n`);
    }
  };
  // Nothing of the session is saved when the stream ends, which may be long after this.
  request.session = null;
  response.set({ "content-type": "text/event-stream", "cache-control": "no-cache", "x-node": name });
  response.write(`data: ${JSON.stringify({ user, node: name })}\n\n`);
  const timers = [setInterval(() => response.write(": alive\n\n"), 500), setInterval(tell, 100)];
  streams.add(response);
  response.on("close", () => {
    timers.forEach(clearInterval);
    streams.delete(response);
  });
});
app.post("/touch", known, (request, response) => answer(response, 200, {}));
app.post("/renew", known, async (request, response) => {
  let kept = { ...request.session };
  const old = request.sessionID;
  await slow(request, "SLOW_RENEW_MS");
  if (env.REGENERATE !== "no") {
    if (careful) kept = await taken(request);
    if (!kept) return gone(request, response);
    const { user, fields, orders } = kept;
    await promised((done) => request.session.regenerate(done));
    Object.assign(request.session, { user, fields, orders, ...holding(held(kept)) });
    await save(request);
    await latest(request);
  }
  audit(request, "renew", old, request.sessionID);
  answer(response, 200, {});
});
app.post("/logout", known, async (request, response) => {
  const id = request.sessionID;
  if (careful && !(await taken(request))) return gone(request, response);
  await promised((done) => request.session.destroy(done));
  audit(request, "destroy", id);
  response.clearCookie("connect.sid");
  answer(response, 200, {});
});
// Where orders are kept in sessions: which session of a user has them.
const latest = async (request) => {
  if (env.ORDERS === "session") await redis.set(`latest:${request.session.user}`, request.sessionID);
};
const orders = async (user) => {
  if (env.ORDERS !== "session") return read((one) => one.lRange(`ledger:${user}`, 0, -1));
  const id = await read((one) => one.get(`latest:${user}`));
  const kept = await read((one) => one.get(`sess:${id}`));
  return JSON.parse(kept)?.orders ?? [];
};
app.post("/order", known, async (request, response) => {
  const [{ user }, action] = [request.session, String(request.body.action)];
  if (env.ORDERS === "session") request.session.orders = [...(request.session.orders ?? []), action];
  else await confirmed((one) => one.rPush(`ledger:${user}`, action));
  audit(request, "act", request.sessionID, request.body.action);
  await slow(request, "SLOW_WRITE_MS");
  answer(response, 200, {});
});
app.get("/ledger", async (request, response) => {
  answer(response, 200, { actions: await orders(request.query.user) });
});
app.get("/audit", (request, response) => {
  const lines = fs.existsSync(env.AUDIT) ? fs.readFileSync(env.AUDIT, "utf8").trim().split("\n") : [];
  answer(response, 200, { entries: lines.filter(Boolean).map((line) => JSON.parse(line)) });
});
app.use((error, request, response, next) => {
  console.error(request.method, request.path, error.message);
  if (response.headersSent) return next(error);
  answer(response, 500, { error: error.message });
});

redis.connect().then(() => {
  const server = app.listen(Number(env.PORT), env.HOST, () => console.log(`${name} listens`));
  process.on("SIGTERM", async () => {
    ending = true;
    await sleep(1000); // the proxy asks every 200 ms, and believes it the second time
    for (const stream of streams) stream.end();
    server.close(() => process.exit(0));
  });
});
