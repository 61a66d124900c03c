/* mutant.h - planted bugs: a checker that finds none of them finds no bug at all.
 *
 * Each mutant is a bug that could have been written, one line where it would stand:
 *
 *     if (!has || MUTANT(skip_read_repair))
 *
 * In every build but that of the preset `mutants`, MUTANT(name) is a constant false that only says
 * that the name is in the list: compilers leave nothing of it. In that build one of them is chosen
 * when torc-sim starts (`torc-sim --mutant NAME`), and scripts/mutants shows that the random runs
 * find every one within a bounded number of seeds (docs/mutants.md has the table).
 *
 * The choice is the one global variable of this folder. It is set once, before anything runs, and
 * never in a product: to hand it down to every core would change the code that is to be tested.
 *
 * A mutant belongs here when a client or an operator could suffer from it.
 */
#ifndef TORC_BASE_MUTANT_H
#define TORC_BASE_MUTANT_H

#include <stdbool.h>
#include <stddef.h>

/* X(name, what is wrong), by folder, in the order of the code. */
#define MUTANT_LIST(X)                                                                             \
    MUTANTS_OF_COORD(X)                                                                            \
    MUTANTS_OF_STORAGE(X)                                                                          \
    MUTANTS_OF_SIBLINGS(X)                                                                         \
    MUTANTS_OF_TREES(X)                                                                            \
    MUTANTS_OF_HEAL(X)                                                                             \
    MUTANTS_OF_RING(X) MUTANTS_OF_META(X) MUTANTS_OF_GOSSIP(X) MUTANTS_OF_NODE(X)

#define MUTANTS_OF_COORD(X)                                                                        \
    X(ack_before_fsync, "a write is acked when it is applied, not when it is durable")             \
    X(count_ack_twice, "each ack of a write counts for two replicas")                              \
    X(write_one_short, "a write at QUORUM is content with one replica")                            \
    X(read_one_short, "a read at QUORUM is content with one replica")                              \
    X(forget_later_set, "a write to a moving range ignores those that will hold it")               \
    X(one_factor_for_both, "of the replicas of later as many are needed as of those of now")       \
    X(read_old_set_only, "a read of a moving range ignores those that will hold it")               \
    X(old_plan_taken,                                                                              \
      "a replica takes a write that was planned before its range was in this stage")               \
    X(old_plan_acked, "a write that is durable after the stage began is acked all the same")       \
    X(old_plan_read, "a replica answers a read that was planned before the stage of its range")    \
    X(old_plan_kept, "a coordinator counts what it took itself by a plan that is over")            \
    X(old_plan_votes, "a replica votes for who planned before the stage of its range")             \
    X(old_plan_fails, "a request whose plan is over fails")                                        \
    X(early_is_refused, "a replica refuses what it would take as soon as it had caught up")        \
    X(timeout_is_success, "a write that timed out is reported as done")                            \
    X(forward_says_ok, "who coordinates a forwarded write always says that it succeeded")          \
    X(skip_read_repair, "a read tells what it joined, and repairs nobody")                         \
    X(repair_not_awaited, "a read tells what it joined before the stale replicas have it")         \
    X(joins_unrepaired, "a replica asked while others are repaired counts before it is, too")      \
    X(digest_without_rows, "a digest covers how many rows there are, not what is in them")         \
    X(digests_not_compared, "digests that differ are taken for equal")                             \
    X(lost_replica_counts, "a replica whose link broke counts as one that acked")                  \
    X(write_never_expires, "a write has no deadline")                                              \
    X(read_never_expires, "a read has no deadline")                                                \
    X(in_flight_leaks, "what a finished write held stays in the account of bytes in flight")       \
    X(index_of_one, "what one replica's index finds is taken for what all of them would")          \
    X(never_raised, "a stamp stays that of its server's clock, whatever there is above it")        \
    X(nobody_is_asked, "a write at QUORUM is stamped above what is where it is minted")            \
    X(one_is_asked, "a write at QUORUM is stamped above what one replica has")                     \
    X(asked_is_raised, "who mints what was stamped already stamps it anew")                        \
    X(loss_not_told, "a replica where a write loses acks it as if it had won")                     \
    X(untold_is_taken, "a replica takes a write of which nobody can tell any more")                \
    X(replica_loses_row, "of a write of several rows a replica stores all but the last")           \
    X(known_is_acked, "an increment that is known already is acked without asking the replicas")   \
    X(fold_too_young, "increments are summed while they may still be sent again")                  \
    X(fold_unproved, "a sum is made of what its maker has, whatever the others have")              \
    X(fold_forgets_sum, "a sum does not have the sum before it")                                   \
    X(cas_vote_not_durable, "a replica promises and accepts before its register is durable")       \
    X(cas_accepts_below_promise, "a replica accepts what it has promised not to, in an IF")        \
    X(cas_in_flight_ignored, "who prepares an IF ignores what others have in flight")              \
    X(cas_ballots_repeat, "an IF makes its ballots from the time alone, in steps of 0.2 s")        \
    X(cas_forgets_its_proposal,                                                                    \
      "an IF that was outvoted begins anew as if it had proposed nothing")                         \
    X(cas_done_early, "a decision is told to be in the data before it is")                         \
    X(cas_old_set_only, "an IF on a moving range ignores those that will hold it")                 \
    X(cas_stamped_early, "an IF is stamped with the time it came, whatever it then read")          \
    X(batch_dropped_early, "the keepers of a batch forget it before it is written")                \
    X(batch_kept_undurable, "a keeper says that it has a batch before its disk has it")            \
    X(batch_not_replayed, "a keeper never writes a batch whose coordinator is gone")               \
    X(batch_half_replayed, "a keeper writes the first partition of a batch, and forgets the rest") \
    X(batch_restamped, "a batch that is replayed gets new timestamps")                             \
    X(token_ignored, "a replica answers a session whatever it has seen elsewhere")                 \
    X(write_before_dependencies, "a write of a session is applied before what it depends on")      \
    X(hint_undurable, "a hint is said to be kept before the disk has it")                          \
    X(hint_removed_early, "a hint is removed when it is sent, not when its target has it")         \
    X(hints_unpaced, "hints are brought as fast as they may ever be, whatever clients feel")       \
    X(behind_is_asked, "a read asks who has yet to get what it has missed like any other")         \
    X(hint_never_given, "hints are kept, and stay where they are")                                 \
    X(hint_stuck_stops, "hints that cannot go stand in the way of those behind them")              \
    X(hint_stuck_first, "of a range whose hints cannot go the first are tried again and again")    \
    X(lost_hints_forgotten, "of hints that are lost nobody knows after a restart")                 \
    X(hints_lost_uncounted, "hints that a damaged block took along are not counted")               \
    X(hint_replaces, "of two hints for one row only the later one is kept")                        \
    X(hint_revision_ignored, "what joins a hint that is under way is removed with it")             \
    X(hint_raises_dead, "a hint is written though what deleted it may be forgotten")               \
    X(hints_unbounded, "hints are kept without bound")

#define MUTANTS_OF_STORAGE(X)                                                                      \
    X(back_dated_sent_raw, "of a write that loses at its coordinator all goes to the replicas")    \
    X(flipped_bit_is_data, "a value whose checksum is not right is read all the same")             \
    X(damage_served, "what the store has lost is no matter: its ranges are served as ever")        \
    X(rebuilding_serves, "a range that is taken over again after damage is served meanwhile")      \
    X(minted_forgotten, "who forgets a range forgets which dots it has given out there")           \
    X(reuse_dot, "a write gets the dot of the one before")                                         \
    X(clock_claims_gaps, "a dot in a clock claims all dots of its actor below it")                 \
    X(clock_without_log, "a clock is loaded without what was written since its snapshot")          \
    X(data_without_clock, "a write's dot does not enter the clock of its range")                   \
    X(vital_once, "what a node must not be without is kept once, not twice")                       \
    X(fragments_numbered_anew, "fragments of rows are numbered from zero again after a start")     \
    X(gap_not_cut, "what is put where nothing was is not seen")                                    \
    X(young_in_gap, "a stretch of keys is taken for empty whatever is about to be put there")      \
    X(gap_for_elders, "what is gone is gone for iterators that should still see it")               \
    X(collapse_loses_cell, "collapsing the fragments of a row loses its last cell")                \
    X(purge_early, "collapsing drops the tombstone of a row at once")                              \
    X(known_state_taken, "state is taken though its dots are known and it is not there any more")  \
    X(context_ignored, "a back-dated write is taken without its context")                          \
    X(purge_unagreed, "tombstones are dropped whoever has them")                                   \
    X(purge_tombstone_first, "a deletion of rows is dropped before the rows that it deleted")      \
    X(range_delete_of_fragment, "range tombstones do not cover rows of other fragments")           \
    X(tie_by_arrival, "of two cells with equal timestamps the one that came first wins")           \
    X(index_not_written, "what is written brings no entries of indexes")                           \
    X(index_not_settled, "an index is used before the entries of what the table had are durable")  \
    X(index_built_empty, "an index that is made does not get what the table had")                  \
    X(older_cell_wins, "of two fragments of a row the older cell is taken")                        \
    X(merge_forgets_deletion, "joining two parts keeps the partition deletion of the first")       \
    X(row_deletion_lost, "joining two rows keeps the deletion of the first")                       \
    X(reads_undurable, "a read tells what a power cut may take back")                              \
    X(pull_forgets_static, "a pull leaves static rows out")                                        \
    X(pull_first_row, "a pull carries only the first of the rows that a write touched")            \
    X(pull_without_rows, "what is pulled enters the clock, and its rows do not enter the store")   \
    X(pull_without_clock, "what is pulled enters the store, and its dots do not enter the clock")  \
    X(pull_not_counted, "a counter in memory does not hear of increments that a pull brings")      \
    X(floor_not_written, "a log is pruned, and that it was is not written down")                   \
    X(pruned_is_named, "a pull claims to name what the log does not tell of any more")             \
    X(strays_unnamed, "what a pull shows beside what was asked for gets no name")                  \
    X(short_page, "answers joined under a limit claim to be complete")                             \
    X(page_repeats_row, "a page begins with the row that the one before ended with")               \
    X(expired_is_live, "what has expired is shown for ever")                                       \
    X(token_without_tombstones, "the token of a session does not know of the tombstones it read")

#define MUTANTS_OF_TREES(X)                                                                        \
    X(pruned_unfolded, "a log is pruned before the tree of its range has heard of it")             \
    X(drops_unmarked, "what is dropped by proof leaves no mark for the tree")                      \
    X(lost_log_is_clean, "what the log tells no more is taken for untouched")                      \
    X(dirty_is_clean, "dirty leaves are not read again")                                           \
    X(tree_without_heads, "trees do not see deletions of partitions and of ranges")                \
    X(scrub_sees_nothing, "the scrub is content with whatever it reads")                           \
    X(unread_is_read, "what a scrub could not read it forgets when it goes on")                    \
    X(one_leaf_of_many, "a log is pruned as if each partition lay in one leaf of a tree")          \
    X(dirty_in_any_table, "where all of one table is dirty a log is pruned as if all tables were")

#define MUTANTS_OF_SIBLINGS(X)                                                                     \
    X(removal_lost, "a sibling that was removed wins over its removal")                            \
    X(unseen_stays, "a write leaves what its client has seen, and its minter has not got yet")     \
    X(blind_write_takes_all, "a write without a context takes away what others wrote")             \
    X(limit_takes_winner, "of too many siblings the winner goes")                                  \
    X(context_not_taken, "USING CAUSALITY replaces nothing of what was seen")                      \
    X(removal_not_read, "a removal without a context does not look at what is there")              \
    X(range_passes_context, "a range that is deleted with a context goes with all in it")

#define MUTANTS_OF_HEAL(X)                                                                         \
    X(no_pulls, "differing clocks are found, and nothing is pulled")                               \
    X(compare_first_range, "only the first range of a keyspace is compared")                       \
    X(turn_never_passed, "who has finished pulling never lets the next one pull")                  \
    X(pace_never_rises,                                                                            \
      "what was slowed down for clients stays slow when they feel nothing of it")                  \
    X(pace_unheard, "who pulls does not care what clients of who gives feel of it")                \
    X(trees_unpaced, "sessions by trees that nobody asked for do not wait for clients")            \
    X(felt_unheard, "who heals does not care what clients of others feel of it")                   \
    X(others_given_up, "what other replicas may have is given up when somebody asks for it")       \
    X(repair_without_disk, "who cannot write any more leads repairs")                              \
    X(refusal_unmarked, "a range of which hints were refused is not compared by trees")            \
    X(mover_done_early, "a mover reports that it has everything before it has compared anything")  \
    X(acks_are_proof, "a tombstone goes when everybody has it, whatever else is on its way")       \
    X(proof_is_agreement, "a tombstone goes where it is proved, before the others have proved it") \
    X(told_undurable, "a node tells a clock that its disk does not have yet")                      \
    X(old_data_kept, "what lies there of earlier is kept when a range is taken over again")        \
    X(answer_after_drop, "an answer to a pull counts, though something was dropped meanwhile")     \
    X(pull_without_context, "who pulls does not see what the giver has dropped")                   \
    X(lost_rows_win, "rows that the giver of a pull has lost are taken for deleted")               \
    X(loss_to_the_lost_untold,                                                                     \
      "a write that loses to what its minter has lost is acked in silence")                        \
    X(lost_values_win,                                                                             \
      "who pulls takes what the giver has no more for deleted, whatever his disk")                 \
    X(absent_kept, "who pulls keeps what the giver had and has no more")                           \
    X(foreign_epoch_counts, "what is told by who knows another ring counts")                       \
    X(proved_for_ever, "that replicas were equal is believed though they may be others by now")    \
    X(pruned_unproved, "a log is pruned of what this replica has, whoever lacks it")               \
    X(truncated_unmarked, "a peer's log does not reach back, and nothing is done about it")        \
    X(clock_jumps, "a clock takes in what a peer's log has no more, without its rows")             \
    X(settled_in_any_table, "a session takes a row for given where another table has its key")     \
    X(wrong_leaf_kept_quiet, "who finds that something on its disk has changed asks nobody")       \
    X(marks_lost_untold, "marks that a damaged block took along are forgotten")                    \
    X(mark_not_kept, "that a range needs its trees compared is forgotten with a restart")          \
    X(read_in_name_only, "who is asked to read all again says that it has, and has not")           \
    X(same_unasked, "two peers are told that they are equal, each equal at another time")          \
    X(same_for_ever, "what was found equal counts, though it was forgotten since")                 \
    X(many_are_alike, "ranges that are asked about by one hash are equal whatever it is")          \
    X(away_till_equal, "who was away is waited for until all clocks are equal at one moment")      \
    X(preview_mends, "a leaf that a preview finds wrong is mended at once, behind its back")       \
    X(repair_breadth_first,                                                                        \
      "all ranges are compared with one replica before any is with the next")                      \
    X(repair_reads_all_first, "a leader reads all of its ranges again at once")                    \
    X(repair_batches_shrink, "the slower a full run is, the more batches it has")                  \
    X(repair_not_again, "who was compared with first does not get what a later replica brought")   \
    X(left_out_is_equal, "a range is equal though a replica lacks what was left out")              \
    X(alone_is_unread, "a full run does not read what has one replica")                            \
    X(newcomers_uncompared, "a run compares a range that moves with its replicas of now alone")    \
    X(repair_says_equal, "a range that could not be compared is told of as equal")                 \
    X(repair_counts_twice,                                                                         \
      "rows that a leader counted before it died are counted by the next one")                     \
    X(vote_of_few, "of two that differ the other one is right, whatever most have")                \
    X(whole_by_clocks,                                                                             \
      "who rebuilds a range is whole when it has all clocks, rows compared or not")                \
    X(moved_by_clocks,                                                                             \
      "who takes a range over has it when it has all clocks, rows compared or not")                \
    X(unwhole_votes, "who is still rebuilding a range votes about its rows")                       \
    X(unwhole_is_outvoted, "a session with who is still rebuilding a range votes about its rows")  \
    X(vote_of_two, "the only other replica that lives is a majority")                              \
    X(covered_comes_back, "what a deletion hid comes to light when it loses a vote")               \
    X(alike_is_told, "a session brings rows that the other one has just so")                       \
    X(absence_wins, "what most have lost goes where it still is")                                  \
    X(vote_over_writes, "what lost a vote is replaced, though it was written to meanwhile")        \
    X(vote_keeps_cut, "a vote waits for ever for what has come")                                   \
    X(vote_takes_deletions, "a deletion that most have dropped is voted away from what it covers") \
    X(dropped_comes_back, "a session brings a deletion back to who has dropped it")                \
    X(preview_votes, "a preview replaces what lost")

#define MUTANTS_OF_RING(X)                                                                         \
    X(goal_keeps_proofs, "who has proved for one goal need not prove for the next")                \
    X(newcomers_alone_prove, "who stays in a set that becomes smaller proves nothing")             \
    X(alike_by_count, "a range stays where it is when as many nodes hold it by the new table")

#define MUTANTS_OF_META(X)                                                                         \
    X(promise_forgotten, "an acceptor forgets its promise when its node restarts")                 \
    X(accept_not_awaited, "an acceptor answers before what it accepted is durable")                \
    X(lower_ballot_accepted, "an acceptor accepts what it has promised not to")                    \
    X(accepted_value_ignored, "a proposer overrides a value that was accepted already")            \
    X(one_acceptor_decides, "a proposer takes one acceptor for a quorum")                          \
    X(first_entry_again, "who fetches several entries at once is told the first one each time")    \
    X(ddl_answered_early, "a schema change is answered before the living nodes have applied it")   \
    X(aways_at_once, "two metadata members are taken out at once, each by the word of the other")  \
    X(recover_by_most, "a lost majority is given up by most of the others, not by all of them")    \
    X(recover_over_majority, "metadata is recovered though most members answer")                   \
    X(recover_without_some, "metadata is recovered without a node that is down and not named")     \
    X(generation_not_checked, "a node that was given up is heard when it comes back")              \
    X(away_are_chosen, "a metadata member that is away keeps its place though others are there")   \
    X(ring_change_unseen, "a node goes on with the placement it had when the ring changes")

#define MUTANTS_OF_GOSSIP(X)                                                                       \
    X(stale_incarnation, "an older incarnation of a member is believed")                           \
    X(no_refutation, "a member that is suspected does not refute")                                 \
    X(dead_for_ever, "a dead member is not believed when it comes back")                           \
    X(halves_never_rejoin, "members held for dead are never asked again")

#define MUTANTS_OF_NODE(X)                                                                         \
    X(enter_unstored, "a node asks to be let in before its disk has who it is")                    \
    X(boot_reused, "a node that restarts goes on with the actor of its last life")                 \
    X(index_not_filtered, "rows that a replica's index found are shown as they are joined")        \
    X(bound_included, "a condition c < x is taken for c <= x")                                     \
    X(reply_to_first_stream, "all replies of a connection go to its first stream")                 \
    X(requests_unnamed, "a request that is sent again is taken for another one")

enum mutant {
    MUTANT_NONE,
#define X(name, what) MUTANT_##name,
    MUTANT_LIST(X)
#undef X
        MUTANT_COUNT
};

#ifdef TORC_MUTANTS
extern enum mutant mutant_chosen;
#define MUTANT(name) (mutant_chosen == MUTANT_##name)
#else
#define MUTANT(name) (MUTANT_##name == MUTANT_NONE)
#endif

/* From now on this one is in. False: there is none of that name, or this build has none. */
bool mutant_choose(const char *name);

/* 1 .. MUTANT_COUNT - 1 */
const char *mutant_name(enum mutant m);
const char *mutant_text(enum mutant m);

#endif
