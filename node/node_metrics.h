/* node_metrics.h - every metric of a node, declared once with its help. */
#ifndef TORC_NODE_NODE_METRICS_H
#define TORC_NODE_NODE_METRICS_H

#include "base/metrics.h"

/* X(kind, id, name, labels, help); those of one name stand together. Most are copied from the
 * cores' own counts when somebody asks. */
#define NODE_METRICS(X)                                                                            \
    X(GAUGE, NODE_READY_GAUGE, "torc_ready", "", "1 while this node serves clients.")              \
    X(GAUGE, NODE_EPOCH, "torc_epoch", "", "Last applied entry of the metadata log.")              \
    X(GAUGE, NODE_NODES_UP, "torc_nodes", "state=\"up\"", "Nodes of the cluster, as seen here.")   \
    X(GAUGE, NODE_NODES_DOWN, "torc_nodes", "state=\"down\"",                                      \
      "Nodes of the cluster, as seen here.")                                                       \
    X(GAUGE, NODE_CLIENTS, "torc_client_connections", "", "Open CQL connections.")                 \
    X(GAUGE, NODE_IN_FLIGHT, "torc_in_flight_bytes", "", "Bytes of requests in progress.")         \
    X(GAUGE, NODE_HEALTH, "torc_health_score", "",                                                 \
      "Local health of membership: 0 well, 7 unwell.")                                             \
    X(COUNTER, NODE_CQL_REQUESTS, "torc_cql_requests_total", "", "Requests of clients.")           \
    X(COUNTER, NODE_CQL_ERRORS, "torc_cql_errors_total", "", "Requests answered with an error.")   \
    X(COUNTER, NODE_WRITES, "torc_coordinated_total", "op=\"write\"",                              \
      "Operations coordinated here.")                                                              \
    X(COUNTER, NODE_READS, "torc_coordinated_total", "op=\"read\"",                                \
      "Operations coordinated here.")                                                              \
    X(COUNTER, NODE_FORWARDS, "torc_forwards_total", "",                                           \
      "Writes handed to a replica because this node is none.")                                     \
    X(COUNTER, NODE_BATCHES, "torc_batches_logged_total", "",                                      \
      "Batches of several partitions that were written down elsewhere first.")                     \
    X(COUNTER, NODE_BATCH_REPLAYS, "torc_batch_replays_total", "",                                 \
      "Times a kept batch was written because its coordinator did not say that it was.")           \
    X(COUNTER, NODE_BATCHES_DAMAGED, "torc_batches_damaged_total", "",                             \
      "Kept batches, or stretches of them, that cannot be read any more.")                         \
    X(GAUGE, NODE_BATCHES_KEPT, "torc_batches_kept", "",                                           \
      "Batches of other coordinators kept here until they are written.")                           \
    X(GAUGE, NODE_HINTS, "torc_hints", "", "Hints kept here for replicas.")                        \
    X(GAUGE, NODE_HINTS_BYTES, "torc_hints_bytes", "", "Bytes of them.")                           \
    X(COUNTER, NODE_HINTS_ACKED, "torc_hinted_writes_total", "",                                   \
      "Writes acked though hints of them had to be counted.")                                      \
    X(COUNTER, NODE_HINTS_KEPT, "torc_hints_kept_total", "", "Writes kept here as hints.")         \
    X(COUNTER, NODE_HINTS_MERGED, "torc_hints_merged_total", "",                                   \
      "Rows of them that were joined with one that was kept already.")                             \
    X(COUNTER, NODE_HINTS_REFUSED, "torc_hints_refused_total", "",                                 \
      "Hints that were not kept, because a bound was reached or the store failed.")                \
    X(COUNTER, NODE_HINTS_DELIVERED, "torc_hints_delivered_total", "",                             \
      "Hints that a replica has, durably.")                                                        \
    X(COUNTER, NODE_HINTS_HANDED_ON, "torc_hints_handed_on_total", "",                             \
      "Hints given to another keeper before this node left.")                                      \
    X(COUNTER, NODE_HINTS_LEFT_OUT, "torc_hints_gone_total", "why=\"deleted\"",                    \
      "Hints not written: the row may have been deleted since, the table is gone, it is damaged.") \
    X(COUNTER, NODE_HINTS_DROPPED, "torc_hints_gone_total", "why=\"table\"",                       \
      "Hints not written: the row may have been deleted since, the table is gone, it is damaged.") \
    X(COUNTER, NODE_HINTS_DAMAGED, "torc_hints_gone_total", "why=\"damage\"",                      \
      "Hints not written: the row may have been deleted since, the table is gone, it is damaged.") \
    X(COUNTER, NODE_HINTS_LOST, "torc_hints_superseded_total", "",                                 \
      "Hints that found something newer where they came.")                                         \
    X(COUNTER, NODE_MISMATCHES, "torc_digest_mismatches_total", "",                                \
      "Reads whose replicas disagreed.")                                                           \
    X(COUNTER, NODE_REPAIRS, "torc_read_repairs_total", "",                                        \
      "Partitions sent to a replica that lacked something.")                                       \
    X(COUNTER, NODE_REPEATS, "torc_counter_repeats_total", "",                                     \
      "Increments that had been taken before, and count once.")                                    \
    X(COUNTER, NODE_FOLDS, "torc_counter_folds_total", "",                                         \
      "Times that increments of a counter were replaced by their sum.")                            \
    X(COUNTER, NODE_RAISED, "torc_stamps_raised_total", "",                                        \
      "Writes whose timestamp was raised above what was there already.")                           \
    X(COUNTER, NODE_ASKS, "torc_writes_asked_total", "",                                           \
      "writes whose replicas were asked for their newest timestamps before they were stamped")     \
    X(COUNTER, NODE_LOST_GIVEN, "torc_writes_not_visible_total", "stamp=\"client\"",               \
      "Writes that were acked and not seen, because something newer was there.")                   \
    X(COUNTER, NODE_LOST_STAMPED, "torc_writes_not_visible_total", "stamp=\"server\"",             \
      "Writes that were acked and not seen, because something newer was there.")                   \
    X(COUNTER, NODE_REPLAYS_LEFT_OUT, "torc_batch_replays_left_out_total", "",                     \
      "Mutations of replayed batches that may have been deleted since, and are left out.")         \
    X(COUNTER, NODE_WEIGHED, "torc_store_weighed_total", "",                                       \
      "Writes for which the store was read, because they were not newest in their partition.")     \
    X(COUNTER, NODE_MERGED, "torc_siblings_merged_total", "",                                      \
      "Values that went because a place had more siblings than it may have.")                      \
    X(COUNTER, NODE_COUNTERS_READ, "torc_counter_reads_total", "",                                 \
      "Times a row was read for an increment, because the counter was not in memory.")             \
    X(COUNTER, NODE_SPECULATIONS, "torc_speculations_total", "",                                   \
      "Reads that asked one replica more because one was slow.")                                   \
    X(COUNTER, NODE_WIDENED, "torc_read_repairs_widened_total", "",                                \
      "Reads that repaired other replicas as well because the ack of a repair was late.")          \
    X(COUNTER, NODE_SESSION_WAITS, "torc_session_waits_total", "",                                 \
      "Requests that waited here for what their session had seen elsewhere.")                      \
    X(COUNTER, NODE_SESSION_LATE, "torc_session_waits_in_vain_total", "",                          \
      "Those of them whose time was up.")                                                          \
    X(COUNTER, NODE_SESSION_FETCHES, "torc_session_fetches_total", "",                             \
      "Questions to other replicas for what a session had seen.")                                  \
    X(COUNTER, NODE_TIMEOUTS, "torc_failed_total", "why=\"timeout\"", "Operations that failed.")   \
    X(COUNTER, NODE_UNAVAILABLE, "torc_failed_total", "why=\"unavailable\"",                       \
      "Operations that failed.")                                                                   \
    X(COUNTER, NODE_OVERLOADED, "torc_failed_total", "why=\"overloaded\"",                         \
      "Operations that failed.")                                                                   \
    X(COUNTER, NODE_STORE_WRITES, "torc_store_writes_total", "", "Parts applied to the store.")    \
    X(COUNTER, NODE_STORE_SCANS, "torc_store_scans_total", "", "Scans of the store.")              \
    X(COUNTER, NODE_ROWS_READ, "torc_store_rows_read_total", "", "Rows read from the store.")      \
    X(COUNTER, NODE_FRAGMENTS, "torc_store_fragments_read_total", "",                              \
      "Row fragments read; close to the rows read when rows are whole.")                           \
    X(COUNTER, NODE_COLLAPSES, "torc_store_collapses_total", "",                                   \
      "Rows whose fragments were joined into one.")                                                \
    X(COUNTER, NODE_DROPPED, "torc_garbage_dropped_total", "",                                     \
      "Deletions, expired and superseded values dropped here after all replicas had agreed.")      \
    X(COUNTER, NODE_COMPACTIONS, "torc_store_compactions_total", "",                               \
      "Compactions that the store was asked for because much was removed.")                        \
    X(COUNTER, NODE_DAMAGED, "torc_store_damaged_total", "",                                       \
      "Reads of the store that met damage and gave no answer.")                                    \
    X(GAUGE, NODE_DAMAGED_RANGES, "torc_damaged_ranges", "",                                       \
      "Ranges that are not served because their data is damaged here, or is being rebuilt.")       \
    X(COUNTER, NODE_REBUILT, "torc_rebuilt_ranges_total", "",                                      \
      "Ranges that were forgotten for damage and taken over again from other replicas.")           \
    X(COUNTER, NODE_LEAVES_READ, "torc_tree_leaves_read_total", "",                                \
      "Stretches of rows that were read to know their digest.")                                    \
    X(COUNTER, NODE_COMPARISONS, "torc_clock_comparisons_total", "",                               \
      "Comparisons of range clocks with a peer.")                                                  \
    X(COUNTER, NODE_PULLED, "torc_handoff_dots_pulled_total", "",                                  \
      "Writes that this node had missed and got from a peer.")                                     \
    X(COUNTER, NODE_SLOWED_HERE, "torc_handoff_slowed_total", "for=\"here\"",                      \
      "Times that handoff to this node was slowed down for clients, of its own or of who gives.")  \
    X(COUNTER, NODE_SLOWED_THERE, "torc_handoff_slowed_total", "for=\"giver\"",                    \
      "Times that handoff to this node was slowed down for clients, of its own or of who gives.")  \
    X(GAUGE, NODE_RATE, "torc_handoff_rate_bytes", "",                                             \
      "Bytes a second that handoff may bring to this node now; 0: it has brought nothing yet.")    \
    X(GAUGE, NODE_TREES_RATE, "torc_healing_rate_bytes", "of=\"trees\"",                           \
      "Bytes a second that healing in the background counts for now; 0: there was nothing to do.") \
    X(GAUGE, NODE_HINTS_RATE, "torc_healing_rate_bytes", "of=\"hints\"",                           \
      "Bytes a second that healing in the background counts for now; 0: there was nothing to do.") \
    X(COUNTER, NODE_TREES_SLOWED, "torc_healing_slowed_total", "of=\"trees\"",                     \
      "Times that healing in the background was slowed down for clients, here or of a peer.")      \
    X(COUNTER, NODE_HINTS_SLOWED, "torc_healing_slowed_total", "of=\"hints\"",                     \
      "Times that healing in the background was slowed down for clients, here or of a peer.")      \
    X(GAUGE, NODE_MISSING, "torc_handoff_missing_writes", "",                                      \
      "Writes that another replica has, and that are on their way to this node by handoff.")       \
    X(COUNTER, NODE_PULLED_BYTES, "torc_handoff_bytes_total", "dir=\"in\"",                        \
      "Bytes of rows moved by handoff.")                                                           \
    X(COUNTER, NODE_SERVED_BYTES, "torc_handoff_bytes_total", "dir=\"out\"",                       \
      "Bytes of rows moved by handoff.")                                                           \
    X(GAUGE, NODE_LOG_BYTES, "torc_log_bytes", "",                                                 \
      "Bytes of range logs, from which replicas get what they have missed.")                       \
    X(COUNTER, NODE_LOG_PRUNED, "torc_log_pruned_dots_total", "",                                  \
      "Writes that left range logs as all replicas have them.")                                    \
    X(COUNTER, NODE_LOG_CUT, "torc_log_cut_dots_total", "",                                        \
      "Writes that left range logs as these were too long or too old.")                            \
    X(COUNTER, NODE_TRUNCATED, "torc_handoff_truncated_dots_total", "",                            \
      "Writes that this node had missed and the log of a peer had no more.")                       \
    X(GAUGE, NODE_GARBAGE, "torc_garbage_ranges", "",                                              \
      "Ranges in which deletions wait until all replicas have agreed to forget them.")             \
    X(GAUGE, NODE_PINNED, "torc_pinned_ranges", "",                                                \
      "Of these, ranges where a replica is down: nothing is forgotten until it is back or "        \
      "replaced.")                                                                                 \
    X(COUNTER, NODE_FORGOTTEN, "torc_forgotten_ranges_total", "",                                  \
      "Ranges whose data of earlier was removed before they were taken over again.")               \
    X(COUNTER, NODE_COMPARED, "torc_compared_total", "",                                           \
      "Sessions by trees, one for a range and a peer, that went through.")                         \
    X(GAUGE, NODE_RUNS, "torc_repairs_running", "", "Repair runs that this node manages.")         \
    X(COUNTER, NODE_RUN_RANGES, "torc_repair_ranges_total", "",                                    \
      "Ranges that leaders told of, for repair runs of this node.")                                \
    X(COUNTER, NODE_RUN_FAILED, "torc_repair_ranges_failed_total", "",                             \
      "Of these, ranges that could not be compared with all replicas.")                            \
    X(COUNTER, NODE_RUN_LED, "torc_repair_ranges_led_total", "",                                   \
      "Ranges that this node compared with their other replicas for a repair run.")                \
    X(COUNTER, NODE_DOUBTFUL, "torc_doubtful_rows_total", "",                                      \
      "Rows that a session by trees brought though clocks said they were here.")                   \
    X(COUNTER, NODE_REPLACED, "torc_replaced_rows_total", "",                                      \
      "Rows here that were replaced because most replicas had them otherwise.")                    \
    X(COUNTER, NODE_COMPARED_FAILED, "torc_compare_failed_total", "",                              \
      "Sessions by trees that were broken off.")                                                   \
    X(COUNTER, NODE_ASKED_SEARCH, "torc_session_bytes_total", "by=\"asked\",kind=\"search\"",      \
      "Bytes of comparisons that this node began and that are over: messages without rows, rows.") \
    X(COUNTER, NODE_ASKED_RECEIVED, "torc_session_bytes_total", "by=\"asked\",kind=\"received\"",  \
      "Bytes of comparisons that this node began and that are over: messages without rows, rows.") \
    X(COUNTER, NODE_ASKED_SENT, "torc_session_bytes_total", "by=\"asked\",kind=\"sent\"",          \
      "Bytes of comparisons that this node began and that are over: messages without rows, rows.") \
    X(COUNTER, NODE_ROUNDS_SEARCH, "torc_session_bytes_total", "by=\"rounds\",kind=\"search\"",    \
      "Bytes of comparisons that this node began and that are over: messages without rows, rows.") \
    X(COUNTER, NODE_ROUNDS_RECEIVED, "torc_session_bytes_total",                                   \
      "by=\"rounds\",kind=\"received\"",                                                           \
      "Bytes of comparisons that this node began and that are over: messages without rows, rows.") \
    X(COUNTER, NODE_ROUNDS_SENT, "torc_session_bytes_total", "by=\"rounds\",kind=\"sent\"",        \
      "Bytes of comparisons that this node began and that are over: messages without rows, rows.") \
    X(COUNTER, NODE_ROUND_RANGES, "torc_round_ranges_total", "",                                   \
      "Ranges that this node began to compare because scrub_period says so.")                      \
    X(COUNTER, NODE_SCRUBBED, "torc_ranges_scrubbed_total", "",                                    \
      "Ranges of which all was read again.")                                                       \
    X(COUNTER, NODE_LEAVES_WRONG, "torc_tree_leaves_wrong_total", "",                              \
      "Of these, leaves that were not what they had been though nobody wrote there: damage.")      \
    X(GAUGE, NODE_MARKED, "torc_marked_ranges", "",                                                \
      "Ranges and peers that need a session by trees.")                                            \
    X(GAUGE, NODE_UNPROVED, "torc_unproved_ranges", "",                                            \
      "Ranges and peers that were never found equal by trees.")                                    \
    X(GAUGE, NODE_PROVED_AGE, "torc_proved_age_seconds", "",                                       \
      "Since when the range and peer were not compared of which that is the longest ago.")         \
    X(COUNTER, NODE_MALFORMED, "torc_malformed_messages_total", "",                                \
      "Internode messages dropped because they did not decode.")                                   \
    X(COUNTER, NODE_CLOCK_REFUSED, "torc_clock_refused_total", "",                                 \
      "Clocks of peers not followed because they were too far ahead.")                             \
    X(COUNTER, NODE_SUSPICIONS, "torc_gossip_suspicions_total", "",                                \
      "Members that became suspect here.")                                                         \
    X(COUNTER, NODE_DEATHS, "torc_gossip_deaths_total", "", "Members declared dead here.")         \
    X(COUNTER, NODE_REFUTATIONS, "torc_gossip_refutations_total", "",                              \
      "Times this node refuted its own death.")

enum node_metric { NODE_METRICS(METRIC_ID) NODE_METRIC_COUNT };

#endif
