// A small application on the driver's object mapper: notes of users with tags, attachments in a
// user-defined type, a name that only one may have, and how often each was read.
'use strict';
const assert = require('assert');
const { mapping, types } = require('cassandra-driver');

const { q } = mapping;

module.exports = (client, copies) => {
  const mapper = new mapping.Mapper(client, {
    models: {
      Note: {
        tables: ['notes'],
        keyspace: 'nodenotes',
        columns: { user_name: 'user', note_id: 'id', read_by: 'readBy' },
      },
      Name: { tables: ['names'], keyspace: 'nodenotes' },
    },
  });
  const notes = mapper.forModel('Note');
  const names = mapper.forModel('Name');
  const ids = [1, 2, 3].map(() => types.TimeUuid.now());

  return {
    async notes_schema() {
      await client.execute('DROP KEYSPACE IF EXISTS nodenotes');
      await client.execute(`CREATE KEYSPACE nodenotes WITH replication =
        {'class': 'SimpleStrategy', 'replication_factor': ${copies}}`);
      await client.execute('CREATE TYPE nodenotes.attachment (name text, size bigint, body blob)');
      await client.execute(`CREATE TABLE nodenotes.notes (user_name text, note_id timeuuid, title text,
        tags set<text>, files list<frozen<attachment>>, read_by map<text, timestamp>, place inet,
        PRIMARY KEY (user_name, note_id)) WITH CLUSTERING ORDER BY (note_id DESC)`);
      await client.execute('CREATE TABLE nodenotes.names (name text PRIMARY KEY, owner text)');
      await client.execute('CREATE TABLE nodenotes.reads (user_name text PRIMARY KEY, times counter)');
      await client.execute('CREATE INDEX ON nodenotes.notes (tags)');
    },
    async notes_are_kept() {
      for (const [i, id] of ids.entries()) {
        await notes.insert({
          user: 'zoë', id, title: `note ${i}`, tags: ['all', `t${i}`],
          files: [{ name: 'a.txt', size: types.Long.fromNumber(i), body: Buffer.from([i]) }],
          place: types.InetAddress.fromString('10.0.0.1'),
        });
      }
      const found = (await notes.find({ user: 'zoë' })).toArray();
      assert.deepStrictEqual(found.map((n) => n.title), ['note 2', 'note 1', 'note 0']);
      assert.strictEqual(found[0].files[0].size.toString(), '2');
      assert.deepStrictEqual(found[0].files[0].body, Buffer.from([2]));
      await notes.update({ user: 'zoë', id: ids[0], tags: q.append(['late']), readBy: { me: new Date(1e12) } });
      const one = await notes.get({ user: 'zoë', id: ids[0] });
      assert.deepStrictEqual(one.tags, ['all', 'late', 't0']);
      assert.strictEqual(one.readBy.me.getTime(), 1e12);
      const later = await notes.find({ user: 'zoë', id: q.gt(ids[0]) }, { orderBy: { id: 'asc' }, limit: 1 });
      assert.strictEqual(later.first().title, 'note 1');
      await mapper.batch([notes.batching.remove({ user: 'zoë', id: ids[2] }),
        notes.batching.update({ user: 'zoë', id: ids[1], title: 'changed' })]);
      assert.deepStrictEqual((await notes.find({ user: 'zoë' })).toArray().map((n) => n.title),
        ['changed', 'note 0']);
      const tagged = await client.execute(
        "SELECT title FROM nodenotes.notes WHERE tags CONTAINS 't1'");
      assert.deepStrictEqual(tagged.rows.map((r) => r.title), ['changed']);
    },
    async notes_names_are_taken_once() {
      const wins = await Promise.all(['a', 'b', 'c'].map((owner) =>
        names.insert({ name: 'zoë', owner }, { ifNotExists: true })));
      assert.strictEqual(wins.filter((w) => w.wasApplied()).length, 1);
      const owner = (await names.get({ name: 'zoë' })).owner;
      const lost = await names.update({ name: 'zoë', owner: 'd' }, { when: { owner: `not ${owner}` } });
      assert.strictEqual(lost.wasApplied(), false);
      assert.strictEqual(lost.first().owner, owner);
      assert.ok((await names.remove({ name: 'zoë' }, { when: { owner } })).wasApplied());
      assert.strictEqual(await names.get({ name: 'zoë' }), null);
    },
    async notes_reads_are_counted() {
      const query = 'UPDATE nodenotes.reads SET times = times + ? WHERE user_name = ?';
      await client.batch([1, 2, 3].map((n) => ({ query, params: [types.Long.fromNumber(n), 'zoë'] })),
        { prepare: true, counter: true });
      const got = await client.execute('SELECT times FROM nodenotes.reads');
      assert.strictEqual(got.first().times.toString(), '6');
    },
  };
};
