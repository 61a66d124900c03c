/* messages.h - every message between nodes, declared once.
 *
 * A message is a msgpack array [number, from, hlc, epoch, generation, trace, field, field,
 * ...]; structs, encoder, decoder and metrics come from these lists. The numbers and the order of
 * fields are the wire format: do not renumber; append fields at the end (a decoder ignores fields
 * it does not know and gives zero to those that are missing).
 *
 * Every message carries in its envelope the sender's node number (0 before it has joined), its
 * hybrid logical clock (us), its metadata epoch, the generation that this epoch is of
 * (node/meta/topology.h; mostly 0), and the request it is traced for, mostly none.
 *
 * Field types: u32 u64 i64 flag uuid dot bytes.
 */
#ifndef TORC_NODE_WIRE_MESSAGES_H
#define TORC_NODE_WIRE_MESSAGES_H

#define WIRE_MESSAGES(M)                                                                           \
    /* membership: what gossip sends over the reliable channel */                                  \
    M(GOSSIP, gossip, 1)                                                                           \
    /* data: coordinator and replica (node/coord) */                                               \
    M(WRITE, write, 10)                                                                            \
    M(WRITE_ACK, write_ack, 11)                                                                    \
    M(FORWARD, forward, 12)                                                                        \
    M(FORWARD_DONE, forward_done, 13)                                                              \
    M(READ, read, 14)                                                                              \
    M(READ_REPLY, read_reply, 15)                                                                  \
    /* IF and serial reads: Paxos among the replicas of a partition (node/coord/cas.c) */          \
    M(CAS_PREPARE, cas_prepare, 16)                                                                \
    M(CAS_PROMISE, cas_promise, 17)                                                                \
    M(CAS_ACCEPT, cas_accept, 18)                                                                  \
    M(CAS_ACCEPTED, cas_accepted, 19)                                                              \
    M(CAS_DONE, cas_done, 20)                                                                      \
    M(CAS_FETCH, cas_fetch, 21)                                                                    \
    M(CAS_REGISTERS, cas_registers, 22)                                                            \
    M(FOLD_ASK, fold_ask, 23)                                                                      \
    M(FOLD_TELL, fold_tell, 24)                                                                    \
    M(BATCH_KEEP, batch_keep, 25)                                                                  \
    M(BATCH_KEPT, batch_kept, 26)                                                                  \
    M(BATCH_DROP, batch_drop, 27)                                                                  \
    M(HINT_KEEP, hint_keep, 28)                                                                    \
    M(HINT_KEPT, hint_kept, 29)                                                                    \
    M(MAXIMUM_ASK, maximum_ask, 8)                                                                 \
    M(MAXIMUM_TELL, maximum_tell, 9)                                                               \
    /* agreement: the metadata log (node/meta) */                                                  \
    M(META_HELLO, meta_hello, 30)                                                                  \
    M(META_WELCOME, meta_welcome, 31)                                                              \
    M(META_PREPARE, meta_prepare, 32)                                                              \
    M(META_PROMISE, meta_promise, 33)                                                              \
    M(META_ACCEPT, meta_accept, 34)                                                                \
    M(META_ACCEPTED, meta_accepted, 35)                                                            \
    M(META_FETCH, meta_fetch, 36)                                                                  \
    M(META_ENTRIES, meta_entries, 37)                                                              \
    M(META_APPLIED, meta_applied, 38)                                                              \
    M(META_PROPOSE, meta_propose, 39)                                                              \
    M(META_RESULT, meta_result, 40)                                                                \
    M(META_LOST, meta_lost, 41)                                                                    \
    M(META_LOST_TOLD, meta_lost_told, 42)                                                          \
    /* healing: clocks and logs (node/heal) */                                                     \
    M(CLOCK_DIGESTS, clock_digests, 50)                                                            \
    M(CLOCKS, clocks, 51)                                                                          \
    M(PULL, pull, 52)                                                                              \
    M(PULL_REPLY, pull_reply, 53)                                                                  \
    M(AGREE_ASK, agree_ask, 54)                                                                    \
    M(AGREE_TELL, agree_tell, 55)                                                                  \
    M(COMPARE_OPEN, compare_open, 56)                                                              \
    M(COMPARE_OPENED, compare_opened, 57)                                                          \
    M(COMPARE_ASK, compare_ask, 58)                                                                \
    M(COMPARE_TELL, compare_tell, 59)                                                              \
    M(COMPARE_GIVE, compare_give, 60)                                                              \
    M(COMPARE_GAVE, compare_gave, 61)                                                              \
    M(COMPARE_ROOTS, compare_roots, 62)                                                            \
    M(COMPARE_ROOTS_TOLD, compare_roots_told, 63)                                                  \
    M(COMPARE_END, compare_end, 64)                                                                \
    M(COMPARE_READ, compare_read, 65)                                                              \
    M(COMPARE_VOTE, compare_vote, 66)                                                              \
    M(COMPARE_VOTED, compare_voted, 67)                                                            \
    M(COMPARE_SAME, compare_same, 68)                                                              \
    M(FELT, felt, 69)                                                                              \
    /* repair runs (node/repair) */                                                                \
    M(REPAIR_DO, repair_do, 70)                                                                    \
    M(REPAIR_DID, repair_did, 71)                                                                  \
    M(REPAIR_STOP, repair_stop, 72)                                                                \
    /* healing, again */                                                                           \
    M(HINT_REFUSED, hint_refused, 73)                                                              \
    M(HINT_LOST, hint_lost, 74)                                                                    \
    M(HINT_MARKED, hint_marked, 75)

#define WIRE_GOSSIP(F) F(bytes, payload)

/* A mutation to a replica. With a dot: the coordinator's write, enters log and clock. Without:
 * state for read repair. timeout_us: what is left for the sender, a duration (clocks are not
 * compared). context: the clock of who minted the dot (storage/engine.h), mostly empty. weighs: the
 * ack says by which timestamp the write loses here, if it does: what has the server's `stamp` (0:
 * nothing has) apart from all else (engine_weigh). after: dots that the replica must have first
 * (node/coord/waits.h). planned: the epoch that the request was planned with (node/coord/fence.h).
 * synced: the ack is not for the kernel's copy, but for the disk's. */
#define WIRE_WRITE(F)                                                                              \
    F(u64, request)                                                                                \
    F(u64, timeout_us)                                                                             \
    F(u32, keyspace)                                                                               \
    F(u32, range)                                                                                  \
    F(dot, dot)                                                                                    \
    F(bytes, part) F(bytes, context) F(flag, weighs) F(i64, stamp) F(bytes, after) F(u64, planned)
#define WIRE_WRITE_ACK(F)                                                                          \
    F(u64, request)                                                                                \
    F(u32, err)                                                                                    \
    F(flag, given_lost)                                                                            \
    F(i64, given_by) F(flag, stamped_lost) F(i64, stamped_by) F(flag, synced)

/* A whole request handed to a replica that will coordinate it. supersede: supersede_encode. stamp:
 * the server's, 0: none. limit: it is above all that a quorum had up to this; INT64_MIN: nobody was
 * asked, and who mints it raises it above what is there; beyond: something above the limit was.
 * until: by when it is answered, by the clock of who was asked; no stamp is raised above it, and
 * much later it is refused. replay: from the log of batches. DONE: lost, of enum lost; behind: by
 * how many us; which dot it got; when it was wanted, who has answered (node/coord/receipt.h). hint:
 * it was kept for this replica, or for any of the owners; at ONE the ack is the replica's own.
 * DONE: hinted: so many acks are of those that keep a hint; synced: all acks are for the disk's
 * copy; left_out: what deleted it may be forgotten; hints_full: somebody refused to keep one. */
#define WIRE_FORWARD(F)                                                                            \
    F(u64, request)                                                                                \
    F(u64, timeout_us)                                                                             \
    F(u32, keyspace)                                                                               \
    F(u32, level)                                                                                  \
    F(u32, kind)                                                                                   \
    F(bytes, part)                                                                                 \
    F(bytes, supersede)                                                                            \
    F(i64, stamp)                                                                                  \
    F(i64, limit)                                                                                  \
    F(flag, beyond)                                                                                \
    F(i64, until)                                                                                  \
    F(flag, replay) F(bytes, after) F(flag, want_receipt) F(flag, hint) F(u64, planned)
#define WIRE_FORWARD_DONE(F)                                                                       \
    F(u64, request)                                                                                \
    F(u32, err)                                                                                    \
    F(u32, required)                                                                               \
    F(u32, received)                                                                               \
    F(u32, failures)                                                                               \
    F(u32, waits_for)                                                                              \
    F(u32, merged)                                                                                 \
    F(u32, lost)                                                                                   \
    F(i64, behind)                                                                                 \
    F(dot, dot)                                                                                    \
    F(bytes, receipt)                                                                              \
    F(u32, hinted) F(flag, synced) F(flag, left_out) F(flag, hints_full)

/* Counters (node/coord/coord_fold.c): promise to take no increment of the range up to a timestamp,
 * and tell your clock. `set` stands for the replicas of the range as the sender sees them. lives:
 * (u32 node, u32 boot)* of them. The answer comes when all that it says is durable. */
#define WIRE_FOLD_ASK(F)                                                                           \
    F(u64, round) F(u32, keyspace) F(u32, range) F(u64, set) F(i64, promise) F(bytes, lives)
#define WIRE_FOLD_TELL(F)                                                                          \
    F(u64, round)                                                                                  \
    F(u32, err)                                                                                    \
    F(u32, keyspace) F(u32, range) F(u64, set) F(u32, boot) F(i64, promised) F(bytes, clock)

/* scan: scan_encode. digest_only: answer with the digest alone. For a session (tell): answer when
 * you have what is to be seen `after`, and say what the rows show (storage/seen.h). */
#define WIRE_READ(F)                                                                               \
    F(u64, request)                                                                                \
    F(u64, timeout_us)                                                                             \
    F(u32, keyspace)                                                                               \
    F(flag, digest_only) F(bytes, scan) F(bytes, after) F(flag, tell) F(u64, planned)
#define WIRE_READ_REPLY(F)                                                                         \
    F(u64, request) F(u32, err) F(bytes, digest) F(bytes, result) F(bytes, seen)

/* Ballots are dots (node/coord/cas_register.h). electorate: a hash of the replicas that the sender
 * counts among; who counts others refuses with STALE. ACCEPTED with STALE and ok: it is accepted,
 * and counts for nothing (node/coord/fence.h). The partition is that of the scan, whose rows come
 * with the promise. PROMISE with ok: `state`, the register, as it was, and `result` or the digest
 * of it alone. Without: `highest` has to be beaten. */
#define WIRE_CAS_PREPARE(F)                                                                        \
    F(u64, request)                                                                                \
    F(u64, timeout_us)                                                                             \
    F(u32, keyspace)                                                                               \
    F(u64, electorate)                                                                             \
    F(dot, ballot) F(flag, read) F(flag, digest_only) F(bytes, scan) F(u64, planned)
#define WIRE_CAS_PROMISE(F)                                                                        \
    F(u64, request)                                                                                \
    F(u32, err) F(flag, ok) F(dot, highest) F(bytes, state) F(bytes, digest) F(bytes, result)
#define WIRE_CAS_ACCEPT(F)                                                                         \
    F(u64, request)                                                                                \
    F(u64, timeout_us)                                                                             \
    F(u32, keyspace)                                                                               \
    F(u64, electorate)                                                                             \
    F(u32, table) F(bytes, key) F(dot, ballot) F(dot, origin) F(bytes, value) F(u64, planned)
#define WIRE_CAS_ACCEPTED(F) F(u64, request) F(u32, err) F(flag, ok) F(dot, highest)

/* All up to `ballot` is in the data of a quorum. No answer. */
#define WIRE_CAS_DONE(F) F(u32, keyspace) F(u32, table) F(bytes, key) F(dot, ballot) F(dot, origin)

/* A mover asks for the registers of the ranges that it takes over: those after the name `after`.
 * The answer: vbytes name, vbytes register, …; `more` when it does not end the list. */
#define WIRE_CAS_FETCH(F)     F(u64, request) F(u64, ring_epoch) F(bytes, after)
#define WIRE_CAS_REGISTERS(F) F(u64, request) F(u32, err) F(flag, more) F(bytes, registers)
/* A logged batch to one of its keepers (node/coord/batch_codec.h), who answers when
 * it is durable there. DROP: ids, 16 bytes each, of batches that are written. */
#define WIRE_BATCH_KEEP(F) F(u64, request) F(uuid, id) F(bytes, mutations)
#define WIRE_BATCH_KEPT(F) F(u64, request) F(u32, err)
#define WIRE_BATCH_DROP(F) F(bytes, ids)

/* A write to be kept for an owner that cannot take it (node/coord/coord_hint.c): for `target`
 * alone, or for any owner. since: when it was kept first, wall clock in us; 0: now. KEPT comes when
 * it is durable. */
#define WIRE_HINT_KEEP(F)                                                                          \
    F(u64, request)                                                                                \
    F(u32, target) F(flag, any) F(u32, keyspace) F(bytes, part) F(bytes, supersede) F(i64, since)
#define WIRE_HINT_KEPT(F) F(u64, request) F(u32, err)

/* Before the server's stamp of a write is fixed (node/coord/coord_ask.c): what is the largest
 * timestamp up to `limit` that the write could lose to? items: (u32 keyspace, u32 table, i64
 * token)*, or, full, (u32 keyspace, vbytes part, vbytes supersede)*, in which the server's
 * timestamp is `stamp`. TELL: BEHIND: not known without the parts; beyond: it loses to something
 * above the limit, too. */
#define WIRE_MAXIMUM_ASK(F)                                                                        \
    F(u64, request) F(i64, stamp) F(i64, limit) F(flag, full) F(bytes, items) F(u64, planned)
#define WIRE_MAXIMUM_TELL(F) F(u64, request) F(u32, err) F(i64, maximum) F(flag, beyond)

/* The metadata log. `cluster`: messages of another cluster are dropped, whoever sits at the
 * address.
 *
 * HELLO: "who are you, what do you know?", to an address, before the sender has joined. WELCOME
 * answers it, with an error when the two do not belong together. known: the last applied slot. */
#define WIRE_META_HELLO(F)                                                                         \
    F(uuid, host_id) F(bytes, cluster_name) F(flag, has_cluster) F(uuid, cluster) F(u64, known)
#define WIRE_META_WELCOME(F)                                                                       \
    F(uuid, host_id)                                                                               \
    F(bytes, cluster_name)                                                                         \
    F(flag, has_cluster) F(uuid, cluster) F(u64, known) F(u32, err) F(bytes, message)

/* ballot: round << 32 | life; proposer: the node that made it (node/meta/paxos.h). */
#define WIRE_META_PREPARE(F) F(uuid, cluster) F(u64, slot) F(u64, ballot) F(u32, proposer)
#define WIRE_META_PROMISE(F)                                                                       \
    F(uuid, cluster)                                                                               \
    F(u64, slot)                                                                                   \
    F(u64, ballot)                                                                                 \
    F(u32, proposer)                                                                               \
    F(flag, ok)                                                                                    \
    F(u64, promised)                                                                               \
    F(u32, promised_proposer) F(u64, accepted) F(u32, accepted_proposer) F(bytes, value)
#define WIRE_META_ACCEPT(F)                                                                        \
    F(uuid, cluster) F(u64, slot) F(u64, ballot) F(u32, proposer) F(bytes, value)
#define WIRE_META_ACCEPTED(F)                                                                      \
    F(uuid, cluster)                                                                               \
    F(u64, slot)                                                                                   \
    F(u64, ballot) F(u32, proposer) F(flag, ok) F(u64, promised) F(u32, promised_proposer)

/* Decided entries from `slot` on: vbytes of each in slot order, sent on decision and on FETCH; or
 * the state at `slot` for who is too far behind. FETCH names the first slot it lacks. */
#define WIRE_META_FETCH(F) F(uuid, cluster) F(u64, slot)
#define WIRE_META_ENTRIES(F)                                                                       \
    F(uuid, cluster) F(u64, slot) F(u32, count) F(bytes, values) F(bytes, snapshot)

/* What the sender has applied, durably. ask: answer with yours, as soon as it is that far. lost:
 * who is told was given up when the generation of the envelope began, and is to be wiped. */
#define WIRE_META_APPLIED(F) F(uuid, cluster) F(u64, applied) F(flag, ask) F(flag, lost)

/* Ask a metadata member to propose; `request` recognises the answer, `id` the entry in the log. The
 * answer to a repeated question is the same. */
#define WIRE_META_PROPOSE(F) F(uuid, cluster) F(u64, request) F(uuid, id) F(bytes, command)
#define WIRE_META_RESULT(F)                                                                        \
    F(uuid, cluster) F(u64, request) F(u32, err) F(u64, slot) F(bytes, message)

/* Before a lost majority is given up (node/meta/recover.c): these nodes, a u32 each, are they lost
 * for you as well? reaches: one of them that has answered who is asked; 0: none has. */
#define WIRE_META_LOST(F)      F(uuid, cluster) F(u64, request) F(bytes, lost)
#define WIRE_META_LOST_TOLD(F) F(uuid, cluster) F(u64, request) F(u32, reaches)

/* One hash for each keyspace over the clocks of all ranges that two nodes share; then the clocks of
 * the keyspaces that differ, and which of them are equal; then rows behind missing dots. `all`, of
 * the last message: nothing of what the two share is left out. `done`: the dots a reply has served.
 * `have`: the clock of who asks; `context`: of who gives, durable: what is in it and not in the
 * rows was removed there. `truncated`: of what who asks lacks the dots that its log has no more;
 * only trees bring those. `felt`: what its clients feel of it (node/heal/pace.h). */
#define WIRE_CLOCK_DIGESTS(F) F(u64, round) F(bytes, digests)
#define WIRE_CLOCKS(F)        F(u64, round) F(flag, last) F(flag, all) F(bytes, clocks) F(bytes, equal)
#define WIRE_PULL(F)                                                                               \
    F(u64, request) F(u32, keyspace) F(u32, range) F(u32, bytes_max) F(bytes, wanted) F(bytes, have)
#define WIRE_PULL_REPLY(F)                                                                         \
    F(u64, request)                                                                                \
    F(u32, err)                                                                                    \
    F(u32, keyspace)                                                                               \
    F(u32, range) F(bytes, done) F(bytes, truncated) F(bytes, rows) F(bytes, context) F(u32, felt)

/* What clients feel of what this node does for another's healing, hints, or sessions by trees
 * (node/heal/paced.c). ask: something is brought to you: tell, when there is anything to tell. */
#define WIRE_FELT(F) F(flag, ask) F(u32, felt)

/* Hints for `target`, of this range, were refused, for a bound was reached: compare it by trees. */
#define WIRE_HINT_REFUSED(F) F(u32, keyspace) F(u32, range) F(u32, target)
/* ... that were acked are lost (node/heal/lost_hints.c); target 0: of any range. MARKED: it will be
 * compared, whatever happens. */
#define WIRE_HINT_LOST(F)   F(u32, keyspace) F(u32, range) F(u32, target)
#define WIRE_HINT_MARKED(F) F(u32, keyspace) F(u32, range) F(u32, target)

/* What may be forgotten of deletions (node/heal/agree.c): which clocks are durable, and proved, of
 * these ranges, unless they are as told before? The answer is in parts, with the time (us) on the
 * clock of who answers, and the number of its boot. */
#define WIRE_AGREE_ASK(F)  F(u64, round) F(bytes, ranges)
#define WIRE_AGREE_TELL(F) F(u64, round) F(u32, life) F(flag, last) F(i64, wall) F(bytes, clocks)

/* A session that brings the rows of a range to equality by trees (node/heal/compare.h, where the
 * bytes are). OPEN: are your sums `root`; which clock is your tree as of? tables: u32*; durable:
 * all that there is here. OPENED:
 * not `ready`: ask again, the tree is being brought up to date; truncated: the log lacks what our
 * dots touched; durable: the part of `clock` that a power cut would leave; touched: what is left
 * out; dropped: to who is about to take the range over, bounds of what was (engine_purged_list).
 * paced: nobody has asked for it, so clients come first.
 * ASK: about stretches of rows; work: fragments to be read for it, at most about; 0: a turn's.
 * TELL: about the first of them; err BEHIND with `agreed`: ask
 * with this in yours; durable: so the cut is here. GIVE: rows; or `join`: all was joined, your
 * clock may take in `told`. life, drops: of the receiver, as it told them; it refuses when they are
 * others. */
#define WIRE_COMPARE_OPEN(F)                                                                       \
    F(u64, session)                                                                                \
    F(u32, keyspace)                                                                               \
    F(u32, range)                                                                                  \
    F(u64, tag)                                                                                    \
    F(flag, full)                                                                                  \
    F(flag, preview) F(flag, durable) F(u64, root) F(bytes, tables) F(bytes, clock) F(flag, paced)
#define WIRE_COMPARE_OPENED(F)                                                                     \
    F(u64, session)                                                                                \
    F(u32, err)                                                                                    \
    F(u32, life)                                                                                   \
    F(flag, ready)                                                                                 \
    F(flag, equal)                                                                                 \
    F(flag, truncated)                                                                             \
    F(flag, same_tables)                                                                           \
    F(bytes, clock) F(bytes, durable) F(bytes, agreed) F(bytes, touched) F(bytes, dropped)
#define WIRE_COMPARE_ASK(F)                                                                        \
    F(u64, session)                                                                                \
    F(u64, request)                                                                                \
    F(u32, keyspace)                                                                               \
    F(u32, range)                                                                                  \
    F(u64, tag)                                                                                    \
    F(i64, now_s)                                                                                  \
    F(flag, all)                                                                                   \
    F(flag, preview)                                                                               \
    F(u32, bytes_max) F(bytes, cut) F(bytes, agreed) F(bytes, skip) F(bytes, units) F(u32, work)
#define WIRE_COMPARE_TELL(F)                                                                       \
    F(u64, session)                                                                                \
    F(u64, request)                                                                                \
    F(u32, err)                                                                                    \
    F(u32, life)                                                                                   \
    F(u64, drops)                                                                                  \
    F(flag, durable) F(bytes, agreed) F(bytes, touched) F(bytes, answers) F(bytes, rows)
#define WIRE_COMPARE_GIVE(F)                                                                       \
    F(u64, session)                                                                                \
    F(u64, request)                                                                                \
    F(u32, keyspace)                                                                               \
    F(u32, range)                                                                                  \
    F(u64, tag)                                                                                    \
    F(u32, life)                                                                                   \
    F(u64, drops)                                                                                  \
    F(i64, now_s)                                                                                  \
    F(flag, join) F(bytes, told) F(bytes, rows) F(bytes, cut) F(bytes, agreed) F(bytes, replaced)
#define WIRE_COMPARE_GAVE(F)                                                                       \
    F(u64, session) F(u64, request) F(u32, err) F(u64, rows) F(u64, doubtful)

/* What a third replica shows at these places (node/heal/vote.h), in their order, the first ones at
 * least; with `rows` the rows themselves. agreed: as in TELL, with ERR_BEHIND. */
#define WIRE_COMPARE_VOTE(F)                                                                       \
    F(u64, session)                                                                                \
    F(u64, request)                                                                                \
    F(u32, keyspace)                                                                               \
    F(u32, range)                                                                                  \
    F(u64, tag)                                                                                    \
    F(i64, now_s) F(flag, rows) F(bytes, cut) F(bytes, agreed) F(bytes, places)
#define WIRE_COMPARE_VOTED(F)                                                                      \
    F(u64, session) F(u64, request) F(u32, err) F(bytes, agreed) F(bytes, shown) F(bytes, rows)

/* Which of many ranges are equal (node/heal/compare_many.h, where bytes and `how` are)? tables:
 * u32*, none: all; patience: in ms, an answer comes by then, though it be that it is not done. how:
 * gentle: nobody waits for it, nor does anything depend on it; paced: nobody has asked; read: not
 * before all of it was read again, clean leaves too; preview: what is found wrong there is told,
 * and nothing comes of it; each: with a hash each. */
#define WIRE_COMPARE_ROOTS(F)                                                                      \
    F(u64, session)                                                                                \
    F(u32, request)                                                                                \
    F(u32, keyspace) F(u32, how) F(u32, patience) F(bytes, tables) F(bytes, roots)
/* Begin to read these ranges again: that is asked for next. Nothing comes back. */
#define WIRE_COMPARE_READ(F) F(u64, session) F(u32, keyspace) F(u32, how) F(bytes, ranges)
/* You and `other` were found equal to me, and so to each other, in these ranges (node/heal/same.c);
 * the earlier one of you so many us ago. */
#define WIRE_COMPARE_SAME(F)                                                                       \
    F(u32, keyspace) F(u32, other) F(u64, epoch) F(u64, age) F(bytes, ranges)
/* The session is over; proved: what it compared or mended is equal, and durable on both sides. */
#define WIRE_COMPARE_END(F)                                                                        \
    F(u64, session)                                                                                \
    F(u32, keyspace) F(u32, range) F(u64, tag) F(u32, life) F(flag, proved)
#define WIRE_COMPARE_ROOTS_TOLD(F) F(u64, session) F(u32, request) F(bytes, told)

/* Repair runs: a manager gives a leader ranges of a keyspace; the leader tells what it has done of
 * them, all each time; `last`: of all of them, or with an error of no more. In order the bytes of
 * node/repair/repair_core.h. */
#define WIRE_REPAIR_DO(F)                                                                          \
    F(u64, run)                                                                                    \
    F(u64, lot) F(u32, keyspace) F(flag, full) F(flag, preview) F(bytes, tables) F(bytes, ranges)
#define WIRE_REPAIR_DID(F)                                                                         \
    F(u64, run)                                                                                    \
    F(u64, lot)                                                                                    \
    F(u32, err)                                                                                    \
    F(u32, progress)                                                                               \
    F(u32, waits_for)                                                                              \
    F(u64, waits)                                                                                  \
    F(flag, last) F(bytes, done) F(bytes, equal) F(bytes, failed) F(bytes, problems) F(bytes, sums)
#define WIRE_REPAIR_STOP(F) F(u64, run) F(u64, lot)

#endif
