// The Node driver of Cassandra, unmodified: node test.js ADDRESS... ends with "N passed, N failed".
'use strict';
const assert = require('assert');
const cassandra = require('cassandra-driver');

const { types } = cassandra;
const level = types.consistencies;
const addresses = process.argv.slice(2);
const copies = Math.min(3, addresses.length);
const prepared = { prepare: true };

const client = new cassandra.Client({
  contactPoints: addresses,
  localDataCenter: 'datacenter1',
  queryOptions: { consistency: level.quorum },
  policies: {
    loadBalancing: new cassandra.policies.loadBalancing.TokenAwarePolicy(
      new cassandra.policies.loadBalancing.DCAwareRoundRobinPolicy('datacenter1')),
  },
});

async function fresh(table, columns, options = '') {
  await client.execute(`DROP TABLE IF EXISTS nodejs.${table}`);
  await client.execute(`CREATE TABLE nodejs.${table} (${columns}) ${options}`);
}

const tests = {
  async metadata() {
    assert.deepStrictEqual(client.hosts.values().map((h) => h.address.split(':')[0]).sort(),
      [...addresses].sort());
    await client.execute(`CREATE KEYSPACE IF NOT EXISTS nodejs WITH replication =
      {'class': 'SimpleStrategy', 'replication_factor': ${copies}}`);
    await fresh('kv', 'k text, c int, v text, PRIMARY KEY (k, c)');
    const table = await client.metadata.getTable('nodejs', 'kv');
    assert.deepStrictEqual(table.partitionKeys.map((c) => c.name), ['k']);
    assert.deepStrictEqual(table.clusteringKeys.map((c) => c.name), ['c']);
    assert.strictEqual(table.columnsByName.v.type.code, types.dataTypes.text);
  },
  async prepared_statements() {
    await client.execute('INSERT INTO nodejs.kv (k, c, v) VALUES (?, ?, ?)', ['a', 1, 'ü'], prepared);
    const got = await client.execute('SELECT * FROM nodejs.kv WHERE k = ?', ['a'], prepared);
    assert.deepStrictEqual([got.first().k, got.first().c, got.first().v], ['a', 1, 'ü']);
  },
  async named_parameters() {
    const got = await client.execute('SELECT v FROM nodejs.kv WHERE k = :k AND c = :c',
      { c: 1, k: 'a' }, prepared);
    assert.strictEqual(got.first().v, 'ü');
  },
  async batches() {
    const query = 'INSERT INTO nodejs.kv (k, c, v) VALUES (?, ?, ?)';
    for (const logged of [true, false]) {
      await client.batch([1, 2, 3].map((c) => ({ query, params: ['batch', c, String(logged)] })),
        { prepare: true, logged });
      const got = await client.execute("SELECT v FROM nodejs.kv WHERE k = 'batch'");
      assert.deepStrictEqual(got.rows.map((r) => r.v), Array(3).fill(String(logged)));
    }
  },
  async paging() {
    await fresh('paged', 'k int, c int, PRIMARY KEY (k, c)');
    const inserts = Array.from({ length: 1000 }, (_, i) => [i % 7, i]);
    await cassandra.concurrent.executeConcurrent(client,
      'INSERT INTO nodejs.paged (k, c) VALUES (?, ?)', inserts, prepared);
    let state;
    let pages = 0;
    const seen = new Set();
    do {
      const got = await client.execute('SELECT c FROM nodejs.paged', [],
        { prepare: true, fetchSize: 10, pageState: state });
      assert.ok(got.rows.length <= 10);
      got.rows.forEach((r) => seen.add(r.c));
      state = got.pageState;
      pages += 1;
    } while (state);
    assert.strictEqual(seen.size, 1000);
    assert.ok(pages >= 100, `${pages} pages`);
    let streamed = 0;
    for await (const row of client.stream('SELECT c FROM nodejs.paged', [], { prepare: true, fetchSize: 10 })) {
      streamed += row.c >= 0;
    }
    assert.strictEqual(streamed, 1000);
  },
  async collections() {
    await fresh('held', 'k int PRIMARY KEY, l list<int>, s set<text>, m map<text, bigint>');
    await client.execute('INSERT INTO nodejs.held (k, l, s, m) VALUES (?, ?, ?, ?)',
      [1, [3, 1], ['b', 'a'], { x: types.Long.fromString('9007199254740993') }], prepared);
    await client.execute("UPDATE nodejs.held SET l = l + [2], s = s - {'a'}, m['y'] = 2 WHERE k = 1");
    const row = (await client.execute('SELECT * FROM nodejs.held WHERE k = 1')).first();
    assert.deepStrictEqual(row.l, [3, 1, 2]);
    assert.deepStrictEqual(row.s, ['b']);
    assert.strictEqual(row.m.x.toString(), '9007199254740993');
    assert.strictEqual(row.m.y.toString(), '2');
  },
  async time_to_live() {
    await client.execute("INSERT INTO nodejs.kv (k, c, v) VALUES ('ttl', 1, 'x') USING TTL 500");
    const row = (await client.execute("SELECT ttl(v) AS t FROM nodejs.kv WHERE k = 'ttl'")).first();
    assert.ok(row.t > 490 && row.t <= 500, row.t);
  },
  async consistency_levels() {
    const levels = [level.one, level.quorum, level.all, level.localOne, level.localQuorum];
    for (const consistency of levels) {
      await client.execute("INSERT INTO nodejs.kv (k, c, v) VALUES ('levels', ?, 'x')", [consistency],
        { prepare: true, consistency });
      const got = await client.execute("SELECT v FROM nodejs.kv WHERE k = 'levels' AND c = ?",
        [consistency], { prepare: true, consistency: level.all });
      assert.strictEqual(got.first().v, 'x');
    }
  },
  async token_aware_routing() {
    await client.execute(`CREATE KEYSPACE IF NOT EXISTS nodejs1 WITH replication =
      {'class': 'SimpleStrategy', 'replication_factor': 1}`);
    await client.execute('CREATE TABLE IF NOT EXISTS nodejs1.kv (k text PRIMARY KEY, v text)');
    await client.metadata.refreshKeyspaces();
    for (let i = 0; i < 100; i++) {
      const [replica] = client.metadata.getReplicas('nodejs1', Buffer.from(`key ${i}`));
      const got = await client.execute('INSERT INTO nodejs1.kv (k, v) VALUES (?, ?)', [`key ${i}`, 'v'],
        { prepare: true, keyspace: 'nodejs1' });
      assert.strictEqual(got.info.queriedHost, replica.address);
    }
  },
  async siblings() {
    await fresh('carts', 'k int PRIMARY KEY, v int', "WITH conflicts = 'siblings'");
    const write = 'UPDATE nodejs.carts USING CAUSALITY ? SET v = ? WHERE k = 1';
    await client.execute(write, [null, 1], prepared);
    await client.execute(write, [null, 2], prepared);
    const plain = await client.execute('SELECT v FROM nodejs.carts WHERE k = 1');
    assert.strictEqual(plain.first().v, 2);
    assert.match(plain.info.warnings[0], /nodejs.carts/);
    const all = 'SELECT siblings(v) AS v, causality() AS seen FROM nodejs.carts WHERE k = 1';
    const { v, seen } = (await client.execute(all)).first();
    assert.deepStrictEqual(v, [2, 1]);
    await client.execute(write, [seen, 3], prepared);
    assert.deepStrictEqual((await client.execute(all)).first().v, [3]);
    const asked = await client.execute('SELECT v FROM nodejs.carts WHERE k = 1', [],
      { prepare: true, customPayload: { torc_causality: Buffer.alloc(0) } });
    await client.execute('UPDATE nodejs.carts SET v = 4 WHERE k = 1', [],
      { prepare: true, customPayload: asked.info.customPayload });
    assert.deepStrictEqual((await client.execute(all)).first().v, [4]);
  },
  async errors() {
    await assert.rejects(client.execute('SELEC'), { code: types.responseErrorCodes.syntaxError });
    await assert.rejects(client.execute('SELECT * FROM nodejs.nowhere'),
      { code: types.responseErrorCodes.invalid });
    await assert.rejects(client.execute('CREATE TABLE nodejs.kv (k int PRIMARY KEY)'),
      { code: types.responseErrorCodes.alreadyExists });
  },
};

Object.assign(tests, require('./notes.js')(client, copies));

async function main() {
  let passed = 0;
  let failed = 0;
  await client.connect();
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      passed += 1;
      console.log(`ok      ${name}`);
    } catch (e) {
      failed += 1;
      console.log(`FAILED  ${name}\n${e.stack}`);
    }
  }
  await client.shutdown();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

main().catch((e) => {
  console.log(`${e.stack}\n0 passed, 1 failed`);
  process.exit(1);
});
