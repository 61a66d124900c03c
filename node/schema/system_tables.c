/* system_tables.c - the tables of the built-in keyspaces. Names, comments, columns and types are
 * Cassandra 5.0's: drivers, cqlsh and tools ask for them by name and show what they find. Append to
 * a keyspace rather than insert: a table's number is its place here. */
#include "node/schema/system_tables.h"

const struct system_table system_tables[] = {
    {SYSTEM, "IndexInfo", "built column indexes", "=table_name text; >index_name text; value blob"},
    {SYSTEM, "available_ranges",
     "available keyspace/ranges during bootstrap/replace that are ready to be served",
     "=keyspace_name text; ranges set<blob>"},
    {SYSTEM, "available_ranges_v2",
     "available keyspace/ranges during bootstrap/replace that are ready to be served",
     "=keyspace_name text; full_ranges set<blob>; transient_ranges set<blob>"},
    {SYSTEM, "batches", "batches awaiting replay",
     "=id timeuuid; mutations list<blob>; version int"},
    {SYSTEM, "built_views", "built views",
     "=keyspace_name text; >view_name text; status_replicated boolean"},
    {SYSTEM, "compaction_history", "week-long compaction history",
     "=id timeuuid; bytes_in bigint; bytes_out bigint; columnfamily_name text; "
     "compacted_at timestamp; compaction_properties frozen<map<text, text>>; "
     "keyspace_name text; rows_merged map<int, bigint>"},
    {SYSTEM, "local", "information about the local node",
     "=key text; bootstrapped text; broadcast_address inet; broadcast_port int; "
     "cluster_name text; cql_version text; data_center text; gossip_generation int; "
     "host_id uuid; listen_address inet; listen_port int; native_protocol_version text; "
     "partitioner text; rack text; release_version text; rpc_address inet; rpc_port int; "
     "schema_version uuid; tokens set<text>; truncated_at map<uuid, blob>"},
    {SYSTEM, "paxos", "in-progress paxos proposals",
     "=row_key blob; >cf_id uuid; in_progress_ballot timeuuid; "
     "in_progress_read_ballot timeuuid; most_recent_commit blob; "
     "most_recent_commit_at timeuuid; most_recent_commit_version int; proposal blob; "
     "proposal_ballot timeuuid; proposal_version int"},
    {SYSTEM, "paxos_repair_history", "paxos repair history",
     "=keyspace_name text; >table_name text; "
     "points frozen<list<frozen<tuple<blob, timeuuid>>>>"},
    {SYSTEM, "peer_events", "events related to peers",
     "=peer inet; hints_dropped map<timeuuid, int>"},
    {SYSTEM, "peer_events_v2", "events related to peers",
     "=peer inet; >peer_port int; hints_dropped map<timeuuid, int>"},
    {SYSTEM, "peers", "information about known peers in the cluster",
     "=peer inet; data_center text; host_id uuid; preferred_ip inet; rack text; "
     "release_version text; rpc_address inet; schema_version uuid; tokens set<text>"},
    {SYSTEM, "peers_v2", "information about known peers in the cluster",
     "=peer inet; >peer_port int; data_center text; host_id uuid; native_address inet; "
     "native_port int; preferred_ip inet; preferred_port int; rack text; "
     "release_version text; schema_version uuid; tokens set<text>"},
    {SYSTEM, "prepared_statements", "prepared statements",
     "=prepared_id blob; logged_keyspace text; query_string text"},
    {SYSTEM, "repairs", "repairs",
     "=parent_id timeuuid; cfids set<uuid>; coordinator inet; coordinator_port int; "
     "last_update timestamp; participants set<inet>; participants_wp set<text>; "
     "ranges set<blob>; repaired_at timestamp; started_at timestamp; state int"},
    {SYSTEM, "size_estimates",
     "per-table primary range size estimates, table is deprecated in favor of table_estimates",
     "=keyspace_name text; >table_name text; >range_start text; >range_end text; "
     "mean_partition_size bigint; partitions_count bigint"},
    {SYSTEM, "sstable_activity", "historic sstable read rates",
     "=keyspace_name text; =columnfamily_name text; =generation int; rate_120m double; "
     "rate_15m double"},
    {SYSTEM, "sstable_activity_v2", "historic sstable read rates",
     "=keyspace_name text; =table_name text; =id text; rate_120m double; rate_15m double"},
    {SYSTEM, "table_estimates", "per-table range size estimates",
     "=keyspace_name text; >table_name text; >range_type text; >range_start text; "
     ">range_end text; mean_partition_size bigint; partitions_count bigint"},
    {SYSTEM, "top_partitions", "Stores the top partitions",
     "=keyspace_name text; >table_name text; >top_type text; last_update timestamp; "
     "top frozen<list<frozen<tuple<text, bigint>>>>"},
    {SYSTEM, "transferred_ranges", "record of transferred ranges for streaming operation",
     "=operation text; =keyspace_name text; >peer inet; ranges set<blob>"},
    {SYSTEM, "transferred_ranges_v2", "record of transferred ranges for streaming operation",
     "=operation text; =keyspace_name text; >peer inet; >peer_port int; ranges set<blob>"},
    {SYSTEM, "view_builds_in_progress", "views builds current progress",
     "=keyspace_name text; >view_name text; >start_token text; >end_token text; "
     "keys_built bigint; last_token text"},
    {SYSTEM_SCHEMA, "aggregates", "user defined aggregate definitions",
     "=keyspace_name text; >aggregate_name text; >argument_types frozen<list<text>>; "
     "final_func text; initcond text; return_type text; state_func text; state_type text"},
    {SYSTEM_SCHEMA, "column_masks", "column dynamic data masks",
     "=keyspace_name text; >table_name text; >column_name text; "
     "function_argument_nulls frozen<list<boolean>>; "
     "function_argument_types frozen<list<text>>; "
     "function_argument_values frozen<list<text>>; function_keyspace text; function_name text"},
    {SYSTEM_SCHEMA, "columns", "column definitions",
     "=keyspace_name text; >table_name text; >column_name text; clustering_order text; "
     "column_name_bytes blob; kind text; position int; type text"},
    {SYSTEM_SCHEMA, "dropped_columns", "dropped column registry",
     "=keyspace_name text; >table_name text; >column_name text; dropped_time timestamp; "
     "kind text; type text"},
    {SYSTEM_SCHEMA, "functions", "user defined function definitions",
     "=keyspace_name text; >function_name text; >argument_types frozen<list<text>>; "
     "argument_names frozen<list<text>>; body text; called_on_null_input boolean; "
     "language text; return_type text"},
    {SYSTEM_SCHEMA, "indexes", "secondary index definitions",
     "=keyspace_name text; >table_name text; >index_name text; kind text; "
     "options frozen<map<text, text>>"},
    {SYSTEM_SCHEMA, "keyspaces", "keyspace definitions",
     "=keyspace_name text; durable_writes boolean; replication frozen<map<text, text>>"},
    {SYSTEM_SCHEMA, "tables", "table definitions",
     "=keyspace_name text; >table_name text; additional_write_policy text; "
     "allow_auto_snapshot boolean; bloom_filter_fp_chance double; "
     "caching frozen<map<text, text>>; cdc boolean; comment text; "
     "compaction frozen<map<text, text>>; compression frozen<map<text, text>>; "
     "crc_check_chance double; dclocal_read_repair_chance double; default_time_to_live int; "
     "extensions frozen<map<text, blob>>; flags frozen<set<text>>; gc_grace_seconds int; "
     "id uuid; incremental_backups boolean; max_index_interval int; memtable text; "
     "memtable_flush_period_in_ms int; min_index_interval int; read_repair text; "
     "read_repair_chance double; speculative_retry text"},
    {SYSTEM_SCHEMA, "triggers", "trigger definitions",
     "=keyspace_name text; >table_name text; >trigger_name text; "
     "options frozen<map<text, text>>"},
    {SYSTEM_SCHEMA, "types", "user defined type definitions",
     "=keyspace_name text; >type_name text; field_names frozen<list<text>>; "
     "field_types frozen<list<text>>"},
    {SYSTEM_SCHEMA, "views", "view definitions",
     "=keyspace_name text; >view_name text; additional_write_policy text; "
     "allow_auto_snapshot boolean; base_table_id uuid; base_table_name text; "
     "bloom_filter_fp_chance double; caching frozen<map<text, text>>; cdc boolean; "
     "comment text; compaction frozen<map<text, text>>; compression frozen<map<text, text>>; "
     "crc_check_chance double; dclocal_read_repair_chance double; default_time_to_live int; "
     "extensions frozen<map<text, blob>>; gc_grace_seconds int; id uuid; "
     "include_all_columns boolean; incremental_backups boolean; max_index_interval int; "
     "memtable text; memtable_flush_period_in_ms int; min_index_interval int; "
     "read_repair text; read_repair_chance double; speculative_retry text; where_clause text"},
    {SYSTEM_AUTH, "cidr_groups", "cidr groups to cidrs mapping",
     "=cidr_group text; cidrs frozen<set<frozen<tuple<inet, smallint>>>>"},
    {SYSTEM_AUTH, "cidr_permissions", "user cidr permissions",
     "=role text; cidr_groups frozen<set<text>>"},
    {SYSTEM_AUTH, "identity_to_role", "mtls authorized identities lookup table",
     "=identity text; role text"},
    {SYSTEM_AUTH, "network_permissions", "user network permissions",
     "=role text; dcs frozen<set<text>>"},
    {SYSTEM_AUTH, "resource_role_permissons_index",
     "index of db roles with permissions granted on a resource", "=resource text; >role text"},
    {SYSTEM_AUTH, "role_members", "role memberships lookup table", "=role text; >member text"},
    {SYSTEM_AUTH, "role_permissions", "permissions granted to db roles",
     "=role text; >resource text; permissions set<text>"},
    {SYSTEM_AUTH, "roles", "role definitions",
     "=role text; can_login boolean; is_superuser boolean; member_of set<text>; "
     "salted_hash text"},
    {SYSTEM_DISTRIBUTED, "parent_repair_history", "Repair history",
     "=parent_id timeuuid; columnfamily_names set<text>; exception_message text; "
     "exception_stacktrace text; finished_at timestamp; keyspace_name text; "
     "options map<text, text>; requested_ranges set<text>; started_at timestamp; "
     "successful_ranges set<text>"},
    {SYSTEM_DISTRIBUTED, "partition_denylist", "Partition keys which have been denied access",
     "=ks_name text; =table_name text; >key blob"},
    {SYSTEM_DISTRIBUTED, "repair_history", "Repair history",
     "=keyspace_name text; =columnfamily_name text; >id timeuuid; coordinator inet; "
     "coordinator_port int; exception_message text; exception_stacktrace text; "
     "finished_at timestamp; parent_id timeuuid; participants set<inet>; "
     "participants_v2 set<text>; range_begin text; range_end text; started_at timestamp; "
     "status text"},
    {SYSTEM_DISTRIBUTED, "view_build_status", "Materialized View build status",
     "=keyspace_name text; =view_name text; >host_id uuid; status text"},
    {SYSTEM_TRACES, "events", "tracing events",
     "=session_id uuid; >event_id timeuuid; activity text; source inet; source_elapsed int; "
     "source_port int; thread text"},
    {SYSTEM_TRACES, "sessions", "tracing sessions",
     "=session_id uuid; client inet; command text; coordinator inet; coordinator_port int; "
     "duration int; parameters map<text, text>; request text; started_at timestamp"},
    {SYSTEM_VIRTUAL_SCHEMA, "columns", "virtual column definitions",
     "=keyspace_name text; >table_name text; >column_name text; clustering_order text; "
     "column_name_bytes blob; kind text; position int; type text"},
    {SYSTEM_VIRTUAL_SCHEMA, "keyspaces", "virtual keyspace definitions", "=keyspace_name text"},
    {SYSTEM_VIRTUAL_SCHEMA, "tables", "virtual table definitions",
     "=keyspace_name text; >table_name text; comment text"},
    {SYSTEM_VIEWS, "batch_metrics", "Metrics specific to batch statements",
     "=name text; max bigint; p50th double; p999th double; p99th double"},
    {SYSTEM_VIEWS, "caches", "system caches",
     "=name text; capacity_bytes bigint; entry_count int; hit_count bigint; hit_ratio double; "
     "recent_hit_rate_per_second bigint; recent_request_rate_per_second bigint; "
     "request_count bigint; size_bytes bigint"},
    {SYSTEM_VIEWS, "cidr_filtering_metrics_counts", "Count metrics specific to CIDR filtering",
     "=name text; value bigint"},
    {SYSTEM_VIEWS, "cidr_filtering_metrics_latencies", "Latency metrics specific to CIDR filtering",
     "=name text; max double; p50th double; p95th double; p999th double; p99th double"},
    {SYSTEM_VIEWS, "clients", "currently connected clients",
     "=address inet; >port int; client_options frozen<map<text, text>>; "
     "connection_stage text; driver_name text; driver_version text; hostname text; "
     "keyspace_name text; protocol_version int; request_count bigint; ssl_cipher_suite text; "
     "ssl_enabled boolean; ssl_protocol text; username text"},
    {SYSTEM_VIEWS, "coordinator_read_latency", "",
     "=keyspace_name text; =table_name text; count bigint; max_ms double; p50th_ms double; "
     "p99th_ms double; per_second double"},
    {SYSTEM_VIEWS, "coordinator_scan_latency", "",
     "=keyspace_name text; =table_name text; count bigint; max_ms double; p50th_ms double; "
     "p99th_ms double; per_second double"},
    {SYSTEM_VIEWS, "coordinator_write_latency", "",
     "=keyspace_name text; =table_name text; count bigint; max_ms double; p50th_ms double; "
     "p99th_ms double; per_second double"},
    {SYSTEM_VIEWS, "cql_metrics", "Metrics specific to CQL prepared statement caching",
     "=name text; value double"},
    {SYSTEM_VIEWS, "credentials_cache_keys", "keys in the credentials cache", "=role text"},
    {SYSTEM_VIEWS, "disk_usage", "", "=keyspace_name text; =table_name text; mebibytes bigint"},
    {SYSTEM_VIEWS, "gossip_info", "lists the gossip information for the cluster",
     "=address inet; >port int; dc text; dc_version int; disk_usage text; "
     "disk_usage_version int; generation int; heartbeat int; host_id text; "
     "host_id_version int; hostname text; index_status text; index_status_version int; "
     "internal_address_and_port text; internal_address_and_port_version int; "
     "internal_ip text; internal_ip_version int; load text; load_version int; "
     "native_address_and_port text; native_address_and_port_version int; net_version text; "
     "net_version_version int; rack text; rack_version int; release_version text; "
     "release_version_version int; removal_coordinator text; removal_coordinator_version int; "
     "rpc_address text; rpc_address_version int; rpc_ready text; rpc_ready_version int; "
     "schema text; schema_version int; severity text; severity_version int; "
     "sstable_versions text; sstable_versions_version int; status text; status_version int; "
     "status_with_port text; status_with_port_version int; tokens_version int; x1 text; "
     "x10 text; x10_version int; x1_version int; x2 text; x2_version int; x3 text; "
     "x3_version int; x4 text; x4_version int; x5 text; x5_version int; x6 text; "
     "x6_version int; x7 text; x7_version int; x8 text; x8_version int; x9 text; "
     "x9_version int; x_11_padding text; x_11_padding_version int"},
    {SYSTEM_VIEWS, "internode_inbound", "",
     "=address inet; =port int; >dc text; >rack text; corrupt_frames_recovered bigint; "
     "corrupt_frames_unrecovered bigint; error_bytes bigint; error_count bigint; "
     "expired_bytes bigint; expired_count bigint; processed_bytes bigint; "
     "processed_count bigint; received_bytes bigint; received_count bigint; "
     "scheduled_bytes bigint; scheduled_count bigint; throttled_count bigint; "
     "throttled_nanos bigint; using_bytes bigint; using_reserve_bytes bigint"},
    {SYSTEM_VIEWS, "internode_outbound", "",
     "=address inet; =port int; >dc text; >rack text; active_connections bigint; "
     "connection_attempts bigint; error_bytes bigint; error_count bigint; "
     "expired_bytes bigint; expired_count bigint; overload_bytes bigint; "
     "overload_count bigint; pending_bytes bigint; pending_count bigint; sent_bytes bigint; "
     "sent_count bigint; successful_connection_attempts bigint; using_bytes bigint; "
     "using_reserve_bytes bigint"},
    {SYSTEM_VIEWS, "jmx_permissions_cache_keys", "keys in the JMX permissions cache", "=role text"},
    {SYSTEM_VIEWS, "local_read_latency", "",
     "=keyspace_name text; =table_name text; count bigint; max_ms double; p50th_ms double; "
     "p99th_ms double; per_second double"},
    {SYSTEM_VIEWS, "local_scan_latency", "",
     "=keyspace_name text; =table_name text; count bigint; max_ms double; p50th_ms double; "
     "p99th_ms double; per_second double"},
    {SYSTEM_VIEWS, "local_write_latency", "",
     "=keyspace_name text; =table_name text; count bigint; max_ms double; p50th_ms double; "
     "p99th_ms double; per_second double"},
    {SYSTEM_VIEWS, "max_partition_size", "",
     "=keyspace_name text; =table_name text; mebibytes bigint"},
    {SYSTEM_VIEWS, "max_sstable_duration", "",
     "=keyspace_name text; =table_name text; max_sstable_duration bigint"},
    {SYSTEM_VIEWS, "max_sstable_size", "",
     "=keyspace_name text; =table_name text; mebibytes bigint"},
    {SYSTEM_VIEWS, "network_permissions_cache_keys", "keys in the network permissions cache",
     "=role text"},
    {SYSTEM_VIEWS, "pending_hints", "Pending hints that this node has for other nodes",
     "=host_id uuid; address inet; dc text; files int; newest timestamp; oldest timestamp; "
     "port int; rack text; status text"},
    {SYSTEM_VIEWS, "permissions_cache_keys", "keys in the permissions cache",
     "=role text; =resource text"},
    {SYSTEM_VIEWS, "queries", "Lists currently running queries",
     "=thread_id text; queued_micros bigint; running_micros bigint; task text"},
    {SYSTEM_VIEWS, "repair_jobs", "Repair job",
     "=id uuid; completed boolean; duration_millis bigint; failure_cause text; "
     "keyspace_name text; last_updated_at timestamp; participants frozen<list<text>>; "
     "ranges frozen<list<text>>; repair_id timeuuid; session_id timeuuid; "
     "state_failure_timestamp timestamp; state_init_timestamp timestamp; "
     "state_skipped_timestamp timestamp; state_snapshot_complete_timestamp timestamp; "
     "state_snapshot_start_timestamp timestamp; state_start_timestamp timestamp; "
     "state_stream_start_timestamp timestamp; state_success_timestamp timestamp; "
     "state_validation_complete_timestamp timestamp; "
     "state_validation_start_timestamp timestamp; status text; success_message text; "
     "table_name text"},
    {SYSTEM_VIEWS, "repair_participates", "Repair participate summary",
     "=id timeuuid; completed boolean; duration_millis bigint; failure_cause text; "
     "global boolean; incremental boolean; initiator text; last_updated_at timestamp; "
     "preview_kind text; ranges frozen<list<text>>; repaired_at timestamp; "
     "state_failure_timestamp timestamp; state_init_timestamp timestamp; "
     "state_skipped_timestamp timestamp; state_success_timestamp timestamp; "
     "success_message text; tables frozen<set<text>>; validations frozen<set<uuid>>"},
    {SYSTEM_VIEWS, "repair_sessions", "Repair session",
     "=id timeuuid; completed boolean; duration_millis bigint; failure_cause text; "
     "jobs frozen<set<uuid>>; keyspace_name text; last_updated_at timestamp; "
     "participants frozen<list<text>>; ranges frozen<list<text>>; repair_id timeuuid; "
     "state_failure_timestamp timestamp; state_init_timestamp timestamp; "
     "state_jobs_start_timestamp timestamp; state_skipped_timestamp timestamp; "
     "state_start_timestamp timestamp; state_success_timestamp timestamp; status text; "
     "success_message text; table_names frozen<list<text>>"},
    {SYSTEM_VIEWS, "repair_validations", "Repair validation",
     "=id uuid; bytes_read bigint; completed boolean; duration_millis bigint; "
     "estimated_partitions bigint; estimated_total_bytes bigint; failure_cause text; "
     "initiator text; keyspace_name text; last_updated_at timestamp; "
     "partitions_processed bigint; progress_percentage float; ranges frozen<list<text>>; "
     "repair_id timeuuid; session_id timeuuid; state_accept_timestamp timestamp; "
     "state_failure_timestamp timestamp; state_init_timestamp timestamp; "
     "state_sending_trees_timestamp timestamp; state_skipped_timestamp timestamp; "
     "state_start_timestamp timestamp; state_success_timestamp timestamp; status text; "
     "success_message text; table_name text"},
    {SYSTEM_VIEWS, "repairs", "Repair summary",
     "=id timeuuid; command_id int; completed boolean; duration_millis bigint; "
     "failure_cause text; keyspace_name text; last_updated_at timestamp; "
     "options_column_families frozen<set<text>>; options_data_centers frozen<set<text>>; "
     "options_force_repair boolean; options_hosts frozen<set<text>>; "
     "options_ignore_unreplicated_keyspaces boolean; options_incremental boolean; "
     "options_job_threads int; options_optimise_streams boolean; options_parallelism text; "
     "options_preview_kind text; options_primary_range boolean; options_pull_repair boolean; "
     "options_ranges frozen<set<text>>; options_subrange_repair boolean; "
     "options_trace boolean; participants frozen<list<text>>; "
     "ranges frozen<list<frozen<list<text>>>>; sessions frozen<set<timeuuid>>; "
     "state_failure_timestamp timestamp; state_init_timestamp timestamp; "
     "state_prepare_complete_timestamp timestamp; state_prepare_start_timestamp timestamp; "
     "state_repair_complete_timestamp timestamp; state_repair_start_timestamp timestamp; "
     "state_setup_timestamp timestamp; state_skipped_timestamp timestamp; "
     "state_start_timestamp timestamp; state_success_timestamp timestamp; status text; "
     "success_message text; table_names frozen<list<text>>; type text; "
     "unfiltered_ranges frozen<list<frozen<list<text>>>>"},
    {SYSTEM_VIEWS, "roles_cache_keys", "keys in the roles cache", "=role text"},
    {SYSTEM_VIEWS, "rows_per_read", "",
     "=keyspace_name text; =table_name text; count bigint; max double; p50th double; "
     "p99th double"},
    {SYSTEM_VIEWS, "sai_column_indexes", "Storage-attached column index metadata",
     "=keyspace_name text; >index_name text; analyzer text; column_name text; "
     "is_building boolean; is_queryable boolean; is_string boolean; table_name text"},
    {SYSTEM_VIEWS, "sai_sstable_index_segments", "SSTable index segment metadata",
     "=keyspace_name text; >index_name text; >sstable_name text; "
     ">segment_row_id_offset bigint; cell_count bigint; column_name text; "
     "component_metadata frozen<map<text, frozen<map<text, text>>>>; end_token text; "
     "max_sstable_row_id bigint; max_term text; min_sstable_row_id bigint; min_term text; "
     "start_token text; table_name text"},
    {SYSTEM_VIEWS, "sai_sstable_indexes", "SSTable index metadata",
     "=keyspace_name text; >index_name text; >sstable_name text; cell_count bigint; "
     "column_name text; end_token text; format_version text; max_row_id bigint; "
     "min_row_id bigint; per_column_disk_size bigint; per_table_disk_size bigint; "
     "start_token text; table_name text"},
    {SYSTEM_VIEWS, "settings", "current settings", "=name text; value text"},
    {SYSTEM_VIEWS, "snapshots", "available snapshots",
     "=name text; >keyspace_name text; >table_name text; created_at timestamp; "
     "ephemeral boolean; expires_at timestamp; size_on_disk bigint; true_size bigint"},
    {SYSTEM_VIEWS, "sstable_tasks", "current sstable tasks",
     "=keyspace_name text; >table_name text; >task_id timeuuid; completion_ratio double; "
     "kind text; progress bigint; sstables int; target_directory text; total bigint; "
     "total_compressed bigint; unit text"},
    {SYSTEM_VIEWS, "streaming", "",
     "=id timeuuid; bytes_received bigint; bytes_sent bigint; bytes_to_receive bigint; "
     "bytes_to_send bigint; duration_millis bigint; failure_cause text; "
     "files_received bigint; files_sent bigint; files_to_receive bigint; "
     "files_to_send bigint; follower boolean; last_updated_at timestamp; operation text; "
     "peers frozen<list<text>>; progress_percentage float; status text; "
     "status_failure_timestamp timestamp; status_init_timestamp timestamp; "
     "status_start_timestamp timestamp; status_success_timestamp timestamp; "
     "success_message text"},
    {SYSTEM_VIEWS, "system_logs", "Cassandra logs",
     "=timestamp timestamp; >order_in_millisecond int; level text; logger text; message text"},
    {SYSTEM_VIEWS, "system_properties", "Cassandra relevant system properties",
     "=name text; value text"},
    {SYSTEM_VIEWS, "thread_pools", "",
     "=name text; active_tasks int; active_tasks_limit int; blocked_tasks bigint; "
     "blocked_tasks_all_time bigint; completed_tasks bigint; pending_tasks int"},
    {SYSTEM_VIEWS, "tombstones_per_read", "",
     "=keyspace_name text; =table_name text; count bigint; max double; p50th double; "
     "p99th double"},
    /* Torc's own */
    {SYSTEM_VIEWS, "entropy", "when replicas were last proved equal, and what they lack",
     "=keyspace_name text; >range int; >address inet; >port int; doubtful bigint; "
     "equal_by_clocks timestamp; equal_by_trees timestamp; first_token bigint; lacks bigint; "
     "last_token bigint; peer_lacks bigint; read_again timestamp; rows_found bigint; "
     "rows_left bigint"},
    {SYSTEM_VIEWS, "repair_differences", "what was here and most replicas had otherwise: replaced",
     "=keyspace_name text; >number bigint; at timestamp; found_with int; had text; node int; "
     "partition_key text; range int; row_key text; table_name text; won text"},
    {SYSTEM_VIEWS, "repair_runs", "repair runs that this node manages",
     "=id text; began timestamp; bytes_hashes bigint; bytes_received bigint; bytes_search bigint; "
     "bytes_sent bigint; "
     "doubtful bigint; ended timestamp; full boolean; keyspaces text; lacking bigint; "
     "leaves_wrong bigint; "
     "messages bigint; preview boolean; ranges bigint; ranges_alone bigint; "
     "ranges_damaged bigint; ranges_different bigint; ranges_done bigint; ranges_equal bigint; "
     "ranges_failed bigint; ranges_lacking bigint; "
     "rows bigint; rows_different bigint; rows_read bigint; rows_received bigint; "
     "rows_sent bigint; state text"},
    {SYSTEM_VIEWS, "tombstone_pins", "replicas that keep deletions from being forgotten, and why",
     "=keyspace_name text; >range int; >address inet; >port int; first_token bigint; "
     "last_token bigint; more boolean; reason text; since timestamp; waiting int"},
    {SYSTEM_VIEWS, "hints",
     "what waits for other replicas: hints, range logs, and ranges to compare",
     "=host_id uuid; >kind text; >keyspace_name text; >range int; address inet; bytes bigint; "
     "bytes_per_second bigint; delivered bigint; for_any_owner bigint; full boolean; "
     "oldest timestamp; port int; reason text; up boolean; waiting bigint"},
};

const size_t system_tables_count = ARRAY_LEN(system_tables);
