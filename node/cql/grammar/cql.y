/* cql.y - the grammar of CQL 3.4.7 (lemon).
 *
 * Everything that is CQL is accepted here; OTHER marks statements that this release refuses by name.
 * Names of types and functions are plain names, so that they stay usable as names. No conflicts are
 * tolerated: lemon fails the build on the first.
 */
%name cql_lemon
%token_prefix CQL_TOKEN_
%token_type {struct cql_token}
%extra_argument {struct cql_parser *p}
%stack_size 400
%include {
#include "node/cql/grammar/build.h"

#define cql_lemon_ENGINEALWAYSONSTACK 1
}

%syntax_error { cql_parser_unexpected(p, &TOKEN, yypParser); }
%parse_failure { cql_parser_unexpected(p, NULL, NULL); }
%stack_overflow { cql_parser_too_deep(p); }

%left PLUS MINUS.
%left STAR SLASH PERCENT.
%right UMINUS.

%fallback MINUS NEGATIVE.
%fallback COLON MARKER_COLON.
%fallback IDENT ACCESS AGGREGATE AGGREGATES ALL ANN AS ASCII BIGINT BLOB BOOLEAN CALLED CAST CAUSALITY
    CIDRS CLUSTER CLUSTERING COLUMNFAMILIES COMPACT CONTAINS COUNT COUNTER CUSTOM DATACENTERS DATE DECIMAL
    DEFAULT DISTINCT DOUBLE DURATION EXISTS FILTERING FINALFUNC FLOAT FROZEN FUNCTION FUNCTIONS
    GROUP HASHED IDENTITY INET INITCOND INPUT INT INTERNALS JSON KEY KEYS KEYSPACES LANGUAGE LIKE
    LIST LOGGED LOGIN MAP MASKED MBEAN MBEANS NOLOGIN NOSUPERUSER ONLY OPTIONS PARTITION PASSWORD
    PER PERMISSION PERMISSIONS REPLACE RETURNS ROLE ROLES SELECT_MASKED SFUNC SMALLINT STATIC
    STORAGE STYPE SUPERUSER TABLES TEXT TIME TIMESTAMP TIMEUUID TINYINT TRIGGER TTL
    TUPLE TYPE TYPES UNMASK UNSET USER USERS UUID VALUES VARCHAR VARINT VECTOR WRITETIME.

%type name {struct bytes}
%type opt_name {struct bytes}
%type id {struct ast_table}
%type opt_signature {struct bytes}
%type names {struct ast_names}
%type paren_names {struct ast_names}
%type opt_ine {bool}
%type opt_ie {bool}
%type term {struct ast_term *}
%type literal {struct ast_term *}
%type number {struct ast_term *}
%type marker {struct ast_term *}
%type collection {struct ast_term *}
%type call {struct ast_term *}
%type fname {struct ast_table}
%type terms {struct ast_terms}
%type opt_terms {struct ast_terms}
%type pairs {struct ast_terms}
%type fields {struct ast_term *}
%type type_ {struct ast_type *}
%type types {struct ast_type *}
%type statement {struct ast_stmt *}
%type single {struct ast_stmt *}
%type change {struct ast_stmt *}
%type other {struct ast_stmt *}

start ::= statement(S) semis. { p->stmt = S; }
start ::= TYPE_ONLY type_(T). { p->type = T; } /* not text: how cql_parse_type begins */

semis ::= .
semis ::= semis SEMI.

statement(S) ::= single(A). { S = A; }
statement(S) ::= change(A). { S = A; }
statement(S) ::= other(A). { S = A; }

/* ---- names */
name(N) ::= IDENT(T). { N = T.text; }
name(N) ::= QUOTED(T). { N = cql_build_quoted(p, &T); }
opt_name(N) ::= . { N = BYTES_NONE; }
opt_name(N) ::= name(A). { N = A; }
id(I) ::= name(A). { I = (struct ast_table){BYTES_NONE, A}; }
id(I) ::= name(A) DOT name(B). { I = (struct ast_table){A, B}; }
names(L) ::= name(A). { L = (struct ast_names){0}; cql_names_push(p, &L, A); }
names(L) ::= names(M) COMMA name(A). { L = M; cql_names_push(p, &L, A); }
paren_names(L) ::= LP names(M) RP. { L = M; }
opt_ine(B) ::= . { B = false; }
opt_ine(B) ::= IF NOT EXISTS. { B = true; }
opt_ie(B) ::= . { B = false; }
opt_ie(B) ::= IF EXISTS. { B = true; }
table_kw ::= TABLE.
table_kw ::= COLUMNFAMILY.
tables_kw ::= TABLES.
tables_kw ::= COLUMNFAMILIES.
keyspace_kw ::= KEYSPACE.
keyspace_kw ::= SCHEMA.

/* ---- types */
%type class_less {struct ast_type *}
type_(T) ::= class_less(A). { T = A; }
type_(T) ::= STRING(S). { T = cql_build_custom_type(p, S.text); }
class_less(T) ::= id(I). { T = cql_build_type(p, I, NULL); }
class_less(T) ::= name(N) LT types(L) GT. { T = cql_build_type(p, (struct ast_table){BYTES_NONE, N}, L); }
class_less(T) ::= SET LT types(L) GT. {
    T = cql_build_type(p, (struct ast_table){BYTES_NONE, BYTES_LIT("set")}, L);
}
types(L) ::= type_(T). { L = cql_types_push(p, NULL, T); }
types(L) ::= types(M) COMMA type_(T). { L = cql_types_push(p, M, T); }
types(L) ::= types(M) COMMA INTEGER(I). {
    L = cql_types_push(p, M, cql_build_type(p, (struct ast_table){BYTES_NONE, I.text}, NULL));
}
types(L) ::= types(M) COMMA MINUS INTEGER(I). {
    struct bytes negative = cql_build_negate(p, cql_build_leaf(p, AST_INTEGER, I.text))->text;
    L = cql_types_push(p, M, cql_build_type(p, (struct ast_table){BYTES_NONE, negative}, NULL));
}

/* ---- terms: values in statements */
number(X) ::= INTEGER(T). { X = cql_build_leaf(p, AST_INTEGER, T.text); }
number(X) ::= FLOATING(T). { X = cql_build_leaf(p, AST_FLOAT, T.text); }
number(X) ::= NAN. { X = cql_build_leaf(p, AST_FLOAT, BYTES_LIT("NaN")); }
number(X) ::= INFINITY. { X = cql_build_leaf(p, AST_FLOAT, BYTES_LIT("Infinity")); }
number(X) ::= PERIOD(T). { X = cql_build_leaf(p, AST_DURATION, T.text); }
literal(X) ::= number(A). { X = A; }
literal(X) ::= STRING(T). { X = cql_build_leaf(p, AST_STRING, T.text); }
literal(X) ::= BOOL(T). { X = cql_build_leaf(p, AST_BOOLEAN, T.text); }
literal(X) ::= UUIDVALUE(T). { X = cql_build_leaf(p, AST_UUID, T.text); }
literal(X) ::= HEX(T). { X = cql_build_leaf(p, AST_BLOB, T.text); }
literal(X) ::= NULL. { X = cql_build_leaf(p, AST_NULL, BYTES_NONE); }
marker(X) ::= QMARK. { X = cql_build_marker(p, BYTES_NONE); }
marker(X) ::= COLON name(N). { X = cql_build_marker(p, N); }

term(X) ::= literal(A). { X = A; }
term(X) ::= marker(A). { X = A; }
term(X) ::= collection(A). { X = A; }
term(X) ::= call(A). { X = A; }
term(X) ::= LP terms(L) RP. { X = cql_build_node(p, AST_TUPLE, &L); }
term(X) ::= LP class_less(T) RP term(A). [UMINUS] { X = cql_build_cast(p, T, A); }
term(X) ::= MINUS term(A). [UMINUS] { X = cql_build_negate(p, A); }
term(X) ::= term(A) PLUS term(B). { X = cql_build_arithmetic(p, '+', A, B); }
term(X) ::= term(A) MINUS term(B). { X = cql_build_arithmetic(p, '-', A, B); }
term(X) ::= term(A) STAR term(B). { X = cql_build_arithmetic(p, '*', A, B); }
term(X) ::= term(A) SLASH term(B). { X = cql_build_arithmetic(p, '/', A, B); }
term(X) ::= term(A) PERCENT term(B). { X = cql_build_arithmetic(p, '%', A, B); }
terms(L) ::= term(A). { L = (struct ast_terms){0}; cql_terms_push(p, &L, A); }
terms(L) ::= terms(M) COMMA term(A). { L = M; cql_terms_push(p, &L, A); }
opt_terms(L) ::= . { L = (struct ast_terms){0}; }
opt_terms(L) ::= terms(M). { L = M; }

collection(X) ::= LB opt_terms(L) RB. { X = cql_build_node(p, AST_LIST, &L); }
collection(X) ::= LC opt_terms(L) RC. { X = cql_build_node(p, AST_SET, &L); }
collection(X) ::= LC pairs(L) RC. { X = cql_build_node(p, AST_MAP, &L); }
collection(X) ::= LC fields(F) RC. { X = F; }
pairs(L) ::= term(A) COLON term(B). {
    L = (struct ast_terms){0};
    cql_terms_push(p, &L, A);
    cql_terms_push(p, &L, B);
}
pairs(L) ::= pairs(M) COMMA term(A) COLON term(B). {
    L = M;
    cql_terms_push(p, &L, A);
    cql_terms_push(p, &L, B);
}
fields(F) ::= name(N) COLON term(A). { F = cql_build_field_value(p, NULL, N, A); }
fields(F) ::= fields(G) COMMA name(N) COLON term(A). { F = cql_build_field_value(p, G, N, A); }
call(X) ::= fname(F) LP opt_terms(L) RP. { X = cql_build_call(p, F, &L); }
call(X) ::= fname(F) LP term(A) as type_(T) RP. { X = cql_build_cast_as(p, F, A, T); }
fname(F) ::= name(A). { F = (struct ast_table){BYTES_NONE, A}; }
fname(F) ::= name(A) DOT name(B). { F = (struct ast_table){A, B}; }
fname(F) ::= TOKEN. { F = (struct ast_table){BYTES_NONE, BYTES_LIT("token")}; }
fname(F) ::= name(A) DOT TOKEN. { F = (struct ast_table){A, BYTES_LIT("token")}; }

/* ---- selectors: what SELECT shows */
%type sel {struct ast_term *}
%type sel_post {struct ast_term *}
%type sels {struct ast_terms}
%type opt_sels {struct ast_terms}
%type sel_pairs {struct ast_terms}
%type selector {struct ast_selector}
%type selectors {struct ast_selectors}
%type select_list {struct ast_selectors}

%type sel_paren {struct ast_term *}
%type sel_hint {struct ast_term *}
%type typed_field {struct ast_term *}
%type hinted {struct ast_term *}
%type sel_braces {struct ast_term *}
%type hint_type {struct ast_type *}

sel(X) ::= name(N). { X = cql_build_leaf(p, AST_COLUMN, N); }
sel(X) ::= sel_post(A). { X = A; }
sel(X) ::= sel_paren(A). { X = A; }
sel(X) ::= sel_hint(A). { X = A; }
sel(X) ::= typed_field(A). { X = A; }
sel(X) ::= literal(A). { X = A; }
sel(X) ::= marker(A). { X = A; }
sel(X) ::= LB opt_sels(L) RB. { X = cql_build_node(p, AST_LIST, &L); }
sel(X) ::= sel_braces(A). { X = A; }
sel(X) ::= MINUS sel(A). [UMINUS] { X = cql_build_negate(p, A); }
sel(X) ::= sel(A) PLUS sel(B). { X = cql_build_arithmetic(p, '+', A, B); }
sel(X) ::= sel(A) MINUS sel(B). { X = cql_build_arithmetic(p, '-', A, B); }
sel(X) ::= sel(A) STAR sel(B). { X = cql_build_arithmetic(p, '*', A, B); }
sel(X) ::= sel(A) SLASH sel(B). { X = cql_build_arithmetic(p, '/', A, B); }
sel(X) ::= sel(A) PERCENT sel(B). { X = cql_build_arithmetic(p, '%', A, B); }

/* (a) is a value in parentheses, (int) a one with a type: which, is known by what follows. */
sel_hint(X) ::= LP sels(L) RP hinted(A). { X = cql_build_sel_cast(p, &L, A); }
sel_hint(X) ::= LP sels(L) RP NEGATIVE number(A). {
    X = cql_build_sel_cast(p, &L, cql_build_negate(p, A));
}
sel_hint(X) ::= LP sels(L) RP MARKER_COLON name(N). {
    X = cql_build_sel_cast(p, &L, cql_build_marker(p, N));
}
sel_hint(X) ::= LP hint_type(T) RP hinted(A). { X = cql_build_cast(p, T, A); }
sel_hint(X) ::= LP hint_type(T) RP LB opt_sels(L) RB. {
    X = cql_build_cast(p, T, cql_build_node(p, AST_LIST, &L));
}
typed_field(X) ::= LP sels(L) RP sel_braces(A) DOT name(F). {
    X = cql_build_field(p, cql_build_sel_cast(p, &L, A), F);
}
typed_field(X) ::= LP hint_type(T) RP sel_braces(A) DOT name(F). {
    X = cql_build_field(p, cql_build_cast(p, T, A), F);
}
typed_field(X) ::= typed_field(A) DOT name(F). { X = cql_build_field(p, A, F); }
hint_type(T) ::= name(N) LT types(L) GT. {
    T = cql_build_type(p, (struct ast_table){BYTES_NONE, N}, L);
}
hint_type(T) ::= SET LT types(L) GT. {
    T = cql_build_type(p, (struct ast_table){BYTES_NONE, BYTES_LIT("set")}, L);
}
hinted(X) ::= name(N). { X = cql_build_leaf(p, AST_COLUMN, N); }
hinted(X) ::= sel_post(A). { X = A; }
hinted(X) ::= sel_paren(A). { X = A; }
hinted(X) ::= sel_hint(A). { X = A; }
hinted(X) ::= sel_braces(A). { X = A; }
hinted(X) ::= literal(A). { X = A; }
hinted(X) ::= QMARK. { X = cql_build_marker(p, BYTES_NONE); }
sel_braces(X) ::= LC opt_sels(L) RC. { X = cql_build_node(p, AST_SET, &L); }
sel_braces(X) ::= LC sel_pairs(L) RC. { X = cql_build_node(p, AST_MAP, &L); }
sel_paren(X) ::= LP sels(L) RP. { X = cql_build_node(p, AST_TUPLE, &L); }
sel_paren(X) ::= sel_paren(A) DOT name(F). { X = cql_build_field(p, A, F); }
sel_paren(X) ::= sel_paren(A) LB term(K) RB. { X = cql_build_element(p, A, K); }
sel_paren(X) ::= sel_paren(A) LB opt_term(K) RANGE opt_term(M) RB. {
    X = cql_build_slice(p, A, K, M);
}

sel_post(X) ::= fname(F) LP opt_sels(L) RP. { X = cql_build_call(p, F, &L); }
sel_post(X) ::= fname(F) LP STAR RP. { X = cql_build_call_star(p, F); }
sel_post(X) ::= fname(F) LP sel(A) as type_(T) RP. { X = cql_build_cast_as(p, F, A, T); }
sel_post(X) ::= name(N) DOT name(F). {
    X = cql_build_field(p, cql_build_leaf(p, AST_COLUMN, N), F);
}
sel_post(X) ::= sel_post(A) DOT name(F). { X = cql_build_field(p, A, F); }
sel_post(X) ::= name(N) LB term(K) RB. {
    X = cql_build_element(p, cql_build_leaf(p, AST_COLUMN, N), K);
}
sel_post(X) ::= sel_post(A) LB term(K) RB. { X = cql_build_element(p, A, K); }
sel_post(X) ::= name(N) LB opt_term(K) RANGE opt_term(M) RB. {
    X = cql_build_slice(p, cql_build_leaf(p, AST_COLUMN, N), K, M);
}
sel_post(X) ::= sel_post(A) LB opt_term(K) RANGE opt_term(M) RB. { X = cql_build_slice(p, A, K, M); }
as ::= AS.
as ::= AS_BEHIND.
%type opt_term {struct ast_term *}
opt_term(X) ::= . { X = NULL; }
opt_term(X) ::= term(A). { X = A; }
sels(L) ::= sel(A). { L = (struct ast_terms){0}; cql_terms_push(p, &L, A); }
sels(L) ::= sels(M) COMMA sel(A). { L = M; cql_terms_push(p, &L, A); }
opt_sels(L) ::= . { L = (struct ast_terms){0}; }
opt_sels(L) ::= sels(M). { L = M; }
sel_pairs(L) ::= sel(A) COLON sel(B). {
    L = (struct ast_terms){0};
    cql_terms_push(p, &L, A);
    cql_terms_push(p, &L, B);
}
sel_pairs(L) ::= sel_pairs(M) COMMA sel(A) COLON sel(B). {
    L = M;
    cql_terms_push(p, &L, A);
    cql_terms_push(p, &L, B);
}
selector(S) ::= sel(A). { S = (struct ast_selector){A, BYTES_NONE}; }
selector(S) ::= sel(A) as name(N). { S = (struct ast_selector){A, N}; }
selectors(L) ::= selector(S). { L = (struct ast_selectors){0}; cql_selectors_push(p, &L, S); }
selectors(L) ::= selectors(M) COMMA selector(S). { L = M; cql_selectors_push(p, &L, S); }
select_list(L) ::= STAR. { L = (struct ast_selectors){0}; }
select_list(L) ::= selectors(M). { L = M; }

/* ---- WHERE and IF */
%type op {enum ast_op}
%type relation {struct ast_relation}
%type relations {struct ast_relations}
%type where {struct ast_relations}
%type in_values {struct ast_relation}
%type condition {struct ast_relation}
%type conditions {struct ast_relations}
op(O) ::= EQ. { O = AST_EQ; }
op(O) ::= NE. { O = AST_NEQ; }
op(O) ::= LT. { O = AST_LT; }
op(O) ::= LE. { O = AST_LTE; }
op(O) ::= GT. { O = AST_GT; }
op(O) ::= GE. { O = AST_GTE; }
in_values(R) ::= marker(A). { R = (struct ast_relation){.op = AST_IN, .value = A}; }
in_values(R) ::= LP opt_terms(L) RP. { R = (struct ast_relation){.op = AST_IN, .list = L}; }
relation(R) ::= name(N) op(O) term(A). { R = cql_relation(p, AST_REL_COLUMN, N, O, A); }
relation(R) ::= name(N) LIKE term(A). { R = cql_relation(p, AST_REL_COLUMN, N, AST_LIKE, A); }
relation(R) ::= name(N) IS NOT NULL. {
    R = cql_relation(p, AST_REL_COLUMN, N, AST_IS_NOT_NULL, NULL);
}
relation(R) ::= name(N) CONTAINS term(A). {
    R = cql_relation(p, AST_REL_COLUMN, N, AST_CONTAINS, A);
}
relation(R) ::= name(N) CONTAINS KEY term(A). {
    R = cql_relation(p, AST_REL_COLUMN, N, AST_CONTAINS_KEY, A);
}
relation(R) ::= name(N) IN in_values(V). { R = V; cql_names_push(p, &R.columns, N); }
relation(R) ::= name(N) LB term(K) RB op(O) term(A). {
    R = cql_relation(p, AST_REL_ELEMENT, N, O, A);
    R.key = K;
}
relation(R) ::= TOKEN paren_names(L) op(O) term(A). {
    R = (struct ast_relation){.kind = AST_REL_TOKEN, .op = O, .columns = L, .value = A};
}
relation(R) ::= paren_names(L) op(O) term(A). {
    R = (struct ast_relation){.kind = AST_REL_TUPLE, .op = O, .columns = L, .value = A};
}
relation(R) ::= paren_names(L) IN in_values(V). {
    R = V;
    R.kind = AST_REL_TUPLE;
    R.columns = L;
}
relation(R) ::= LP relation(S) RP. { R = S; }
relations(L) ::= relation(R). { L = (struct ast_relations){0}; cql_relations_push(p, &L, R); }
relations(L) ::= relations(M) AND relation(R). { L = M; cql_relations_push(p, &L, R); }
where(L) ::= WHERE relations(M). { L = M; }
condition(R) ::= name(N) op(O) term(A). { R = cql_relation(p, AST_REL_COLUMN, N, O, A); }
condition(R) ::= name(N) CONTAINS term(A). {
    R = cql_relation(p, AST_REL_COLUMN, N, AST_CONTAINS, A);
}
condition(R) ::= name(N) CONTAINS KEY term(A). {
    R = cql_relation(p, AST_REL_COLUMN, N, AST_CONTAINS_KEY, A);
}
condition(R) ::= name(N) IN in_values(V). { R = V; cql_names_push(p, &R.columns, N); }
condition(R) ::= name(N) LB term(K) RB op(O) term(A). {
    R = cql_relation(p, AST_REL_ELEMENT, N, O, A);
    R.key = K;
}
condition(R) ::= name(N) LB term(K) RB IN in_values(V). {
    R = V;
    R.kind = AST_REL_ELEMENT;
    R.key = K;
    cql_names_push(p, &R.columns, N);
}
condition(R) ::= name(N) DOT name(F) op(O) term(A). {
    R = cql_relation(p, AST_REL_FIELD, N, O, A);
    R.field = F;
}
condition(R) ::= name(N) DOT name(F) IN in_values(V). {
    R = V;
    R.kind = AST_REL_FIELD;
    R.field = F;
    cql_names_push(p, &R.columns, N);
}
conditions(L) ::= condition(R). { L = (struct ast_relations){0}; cql_relations_push(p, &L, R); }
conditions(L) ::= conditions(M) AND condition(R). { L = M; cql_relations_push(p, &L, R); }

/* ---- SELECT */
%type select_head {struct ast_stmt *}
%type order {struct ast_order}
%type orders {struct ast_orders}
%type direction {bool}
%type count_ {struct ast_term *}
single(S) ::= select_head(A) opt_group opt_orders opt_per_partition opt_limit opt_allow. { S = A; }
select_head(S) ::= SELECT select_kind select_list(L) FROM id(T) opt_where. {
    S = p->select;
    p->select->select.table = T;
    p->select->select.selectors = L;
}
select_kind ::= . { cql_build_select(p, false, false); }
select_kind ::= DISTINCT. { cql_build_select(p, true, false); }
select_kind ::= JSON. { cql_build_select(p, false, true); }
select_kind ::= JSON DISTINCT. { cql_build_select(p, true, true); }
opt_where ::= .
opt_where ::= where(L). { p->select->select.where = L; }
opt_group ::= .
opt_group ::= GROUP BY sels(L). { p->select->select.group_by = L; }
opt_orders ::= .
opt_orders ::= ORDER BY orders(L). { p->select->select.order_by = L; }
orders(L) ::= order(O). { L = (struct ast_orders){0}; cql_orders_push(p, &L, O); }
orders(L) ::= orders(M) COMMA order(O). { L = M; cql_orders_push(p, &L, O); }
order(O) ::= name(N) direction(D). { O = (struct ast_order){N, D, NULL}; }
order(O) ::= name(N) ANN OF term(A) direction(D). { O = (struct ast_order){N, D, A}; }
direction(D) ::= . { D = false; }
direction(D) ::= ASC. { D = false; }
direction(D) ::= DESC. { D = true; }
count_(X) ::= INTEGER(T). { X = cql_build_leaf(p, AST_INTEGER, T.text); }
count_(X) ::= MINUS INTEGER(T). { X = cql_build_negate(p, cql_build_leaf(p, AST_INTEGER, T.text)); }
count_(X) ::= marker(A). { X = A; }
opt_per_partition ::= .
opt_per_partition ::= PER PARTITION LIMIT count_(X). { p->select->select.per_partition_limit = X; }
opt_limit ::= .
opt_limit ::= LIMIT count_(X). { p->select->select.limit = X; }
opt_allow ::= .
opt_allow ::= ALLOW FILTERING. { p->select->select.allow_filtering = true; }

/* ---- INSERT, UPDATE, DELETE, BATCH */
%type using {struct ast_using}
%type using_items {struct ast_using}
%type using_item {struct ast_using}
%type using_delete {struct ast_using}
%type using_delete_items {struct ast_using}
%type using_delete_item {struct ast_using}
%type using_timestamp {struct ast_using}
%type context {struct ast_term *}
%type assigns {struct ast_assigns}
%type assign {struct ast_assign}
%type removals {struct ast_removals}
%type removal {struct ast_removal}
%type json_default {bool}
%type json_text {struct ast_term *}
%type batch_head {struct ast_stmt *}
using(U) ::= . { U = (struct ast_using){0}; }
using(U) ::= USING using_items(A). { U = A; }
using_items(U) ::= using_item(A). { U = A; }
using_items(U) ::= using_items(A) AND using_item(B). { U = cql_build_using(A, B); }
using_item(U) ::= using_delete_item(A). { U = A; }
using_item(U) ::= TTL count_(X). { U = (struct ast_using){.ttl = X}; }
using_delete(U) ::= . { U = (struct ast_using){0}; }
using_delete(U) ::= USING using_delete_items(A). { U = A; }
using_delete_items(U) ::= using_delete_item(A). { U = A; }
using_delete_items(U) ::= using_delete_items(A) AND using_delete_item(B). {
    U = cql_build_using(A, B);
}
using_delete_item(U) ::= TIMESTAMP count_(X). { U = (struct ast_using){.timestamp = X}; }
using_delete_item(U) ::= CAUSALITY context(X). { U = (struct ast_using){.causality = X}; }
context(X) ::= HEX(T). { X = cql_build_leaf(p, AST_BLOB, T.text); }
context(X) ::= NULL. { X = cql_build_leaf(p, AST_NULL, BYTES_NONE); }
context(X) ::= marker(A). { X = A; }
using_timestamp(U) ::= . { U = (struct ast_using){0}; }
using_timestamp(U) ::= USING TIMESTAMP count_(X). { U = (struct ast_using){.timestamp = X}; }

change(S) ::= INSERT INTO id(T) paren_names(N) VALUES LP terms(V) RP opt_ine(I) using(U). {
    S = cql_build_stmt(p, AST_INSERT);
    S->insert = (struct ast_insert){
        .table = T, .columns = N, .values = V, .if_not_exists = I, .using = U};
}
change(S) ::= INSERT INTO id(T) JSON json_text(V) json_default(D) opt_ine(I) using(U). {
    S = cql_build_stmt(p, AST_INSERT);
    S->insert = (struct ast_insert){
        .table = T, .json = V, .json_default_unset = D, .if_not_exists = I, .using = U};
}
json_text(X) ::= STRING(T). { X = cql_build_leaf(p, AST_STRING, T.text); }
json_text(X) ::= marker(A). { X = A; }
json_default(D) ::= . { D = false; }
json_default(D) ::= DEFAULT NULL. { D = false; }
json_default(D) ::= DEFAULT UNSET. { D = true; }

change(S) ::= UPDATE id(T) using(U) SET assigns(A) where(W) opt_update_if. {
    S = cql_build_stmt(p, AST_UPDATE);
    S->update = (struct ast_update){.table = T, .using = U, .assigns = A, .where = W,
                                    .if_exists = p->if_exists, .conditions = p->conditions};
}
opt_update_if ::= . { p->if_exists = false; p->conditions = (struct ast_relations){0}; }
opt_update_if ::= IF EXISTS. { p->if_exists = true; p->conditions = (struct ast_relations){0}; }
opt_update_if ::= IF conditions(L). { p->if_exists = false; p->conditions = L; }
assigns(L) ::= assign(A). { L = (struct ast_assigns){0}; cql_assigns_push(p, &L, A); }
assigns(L) ::= assigns(M) COMMA assign(A). { L = M; cql_assigns_push(p, &L, A); }
assign(A) ::= name(N) EQ term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_SET, .column = N, .value = V};
}
assign(A) ::= name(N) EQ name(O) PLUS term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_ADD, .column = N, .other = O, .value = V};
}
assign(A) ::= name(N) EQ name(O) MINUS term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_SUB, .column = N, .other = O, .value = V};
}
assign(A) ::= name(N) EQ term(V) PLUS name(O). {
    A = (struct ast_assign){.kind = AST_ASSIGN_PREPEND, .column = N, .other = O, .value = V};
}
assign(A) ::= name(N) PLUSEQ term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_ADD, .column = N, .other = N, .value = V};
}
assign(A) ::= name(N) MINUSEQ term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_SUB, .column = N, .other = N, .value = V};
}
assign(A) ::= name(N) LB term(K) RB EQ term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_ELEMENT, .column = N, .key = K, .value = V};
}
assign(A) ::= name(N) DOT name(F) EQ term(V). {
    A = (struct ast_assign){.kind = AST_ASSIGN_FIELD, .column = N, .field = F, .value = V};
}

change(S) ::= DELETE removals(R) FROM id(T) using_delete(U) where(W) opt_update_if. {
    S = cql_build_stmt(p, AST_DELETE);
    S->delete = (struct ast_delete){.table = T, .using = U, .removals = R, .where = W,
                                    .if_exists = p->if_exists, .conditions = p->conditions};
}
change(S) ::= DELETE FROM id(T) using_delete(U) where(W) opt_update_if. {
    S = cql_build_stmt(p, AST_DELETE);
    S->delete = (struct ast_delete){.table = T, .using = U, .where = W,
                                    .if_exists = p->if_exists, .conditions = p->conditions};
}
removals(L) ::= removal(R). { L = (struct ast_removals){0}; cql_removals_push(p, &L, R); }
removals(L) ::= removals(M) COMMA removal(R). { L = M; cql_removals_push(p, &L, R); }
removal(R) ::= name(N). { R = (struct ast_removal){.column = N}; }
removal(R) ::= name(N) LB term(K) RB. { R = (struct ast_removal){.column = N, .key = K}; }
removal(R) ::= name(N) DOT name(F). { R = (struct ast_removal){.column = N, .field = F}; }

single(S) ::= batch_head(B) batch_items APPLY BATCH. { S = B; }
batch_head(S) ::= BEGIN batch_kind BATCH using(U). {
    S = p->batch = cql_build_stmt(p, AST_BATCH);
    S->batch.kind = p->batch_kind;
    S->batch.using = U;
}
batch_kind ::= . { p->batch_kind = AST_BATCH_LOGGED; }
batch_kind ::= UNLOGGED. { p->batch_kind = AST_BATCH_UNLOGGED; }
batch_kind ::= COUNTER. { p->batch_kind = AST_BATCH_COUNTER; }
batch_items ::= .
batch_items ::= batch_items change(S) batch_semi. { cql_batch_push(p, &p->batch->batch, S); }
batch_semi ::= .
batch_semi ::= SEMI.

/* ---- keyspaces and tables */
%type property {struct ast_property}
%type properties {struct ast_properties}
%type prop_value {struct ast_term *}
%type options {struct ast_options}
%type opt_options {struct ast_options}
%type column {struct ast_column}
%type columns {struct ast_columns}
%type drop_names {struct ast_names}
%type renames {struct ast_names}
%type flag {bool}
prop_value(X) ::= literal(A). { X = A; }
prop_value(X) ::= MINUS number(A). { X = cql_build_negate(p, A); }
prop_value(X) ::= collection(A). { X = A; }
prop_value(X) ::= name(N). { X = cql_build_leaf(p, AST_COLUMN, N); }
property(P) ::= name(N) EQ prop_value(X). { P = (struct ast_property){N, X}; }
properties(L) ::= property(A). { L = (struct ast_properties){0}; cql_properties_push(p, &L, A); }
properties(L) ::= properties(M) AND property(A). { L = M; cql_properties_push(p, &L, A); }
opt_options(O) ::= . { O = (struct ast_options){0}; }
opt_options(O) ::= WITH options(A). { O = A; }
options(O) ::= property(A). {
    O = (struct ast_options){0};
    cql_properties_push(p, &O.properties, A);
}
options(O) ::= COMPACT STORAGE. { O = (struct ast_options){.compact_storage = true}; }
options(O) ::= CLUSTERING ORDER BY LP orders(L) RP. {
    O = (struct ast_options){.clustering_order = L};
}
options(O) ::= options(B) AND property(A). { O = B; cql_properties_push(p, &O.properties, A); }
options(O) ::= options(B) AND COMPACT STORAGE. { O = B; O.compact_storage = true; }
options(O) ::= options(B) AND CLUSTERING ORDER BY LP orders(L) RP. {
    O = B;
    for (size_t i = 0; i < L.count; i++)
        cql_orders_push(p, &O.clustering_order, L.items[i]);
}

single(S) ::= CREATE keyspace_kw opt_ine(I) name(N) WITH properties(P). {
    S = cql_build_stmt(p, AST_CREATE_KEYSPACE);
    S->keyspace = (struct ast_keyspace_def){.name = N, .if_not_exists = I, .properties = P};
}
single(S) ::= ALTER keyspace_kw opt_ie(I) name(N) WITH properties(P). {
    S = cql_build_stmt(p, AST_ALTER_KEYSPACE);
    S->keyspace = (struct ast_keyspace_def){.name = N, .if_exists = I, .properties = P};
}
single(S) ::= DROP keyspace_kw opt_ie(I) name(N). {
    S = cql_build_drop(p, AST_DROP_KEYSPACE, (struct ast_table){BYTES_NONE, N}, I);
}
single(S) ::= USE name(N). {
    S = cql_build_drop(p, AST_USE, (struct ast_table){BYTES_NONE, N}, false);
}
single(S) ::= TRUNCATE id(T). { S = cql_build_drop(p, AST_TRUNCATE, T, false); }
single(S) ::= TRUNCATE table_kw id(T). { S = cql_build_drop(p, AST_TRUNCATE, T, false); }
single(S) ::= DROP table_kw opt_ie(I) id(T). { S = cql_build_drop(p, AST_DROP_TABLE, T, I); }

single(S) ::= CREATE table_kw opt_ine(I) id(T) LP table_start table_items RP opt_options(O). {
    S = p->table;
    S->create_table.table = T;
    S->create_table.if_not_exists = I;
    S->create_table.options = O;
}
table_start ::= . { p->table = cql_build_stmt(p, AST_CREATE_TABLE); }
table_items ::= table_item.
table_items ::= table_items COMMA table_item.
table_items ::= table_items COMMA.
table_item ::= column(C). { cql_table_column(p, &p->table->create_table, C); }
table_item ::= PRIMARY KEY LP partition_key RP. { p->table->create_table.primary_keys++; }
table_item ::= PRIMARY KEY LP partition_key COMMA names(L) RP. {
    p->table->create_table.primary_keys++;
    p->table->create_table.clustering = L;
}
partition_key ::= name(N). { cql_names_push(p, &p->table->create_table.partition_key, N); }
partition_key ::= paren_names(L). { p->table->create_table.partition_key = L; }
column(C) ::= name(N) type_(T) flag(S) flag_mask(M) flag_primary(P). {
    C = (struct ast_column){N, T, S, P, M};
}
flag(B) ::= . { B = false; }
flag(B) ::= STATIC. { B = true; }
%type flag_mask {bool}
flag_mask(B) ::= . { B = false; }
flag_mask(B) ::= mask. { B = true; }
%type flag_primary {bool}
flag_primary(B) ::= . { B = false; }
flag_primary(B) ::= PRIMARY KEY. { B = true; }
mask ::= MASKED WITH DEFAULT.
mask ::= MASKED WITH fname LP opt_terms RP.

%type alter_head {struct ast_stmt *}
alter_head(S) ::= ALTER table_kw opt_ie(I) id(T). {
    S = cql_build_stmt(p, AST_ALTER_TABLE);
    S->alter_table.table = T;
    S->alter_table.if_exists = I;
}
%type added {struct ast_column}
%type addeds {struct ast_columns}
added(C) ::= name(N) type_(T) flag(S) flag_mask(M). { C = (struct ast_column){N, T, S, false, M}; }
addeds(L) ::= added(C). { L = (struct ast_columns){0}; cql_columns_push(p, &L, C); }
addeds(L) ::= addeds(M) COMMA added(C). { L = M; cql_columns_push(p, &L, C); }
single(S) ::= alter_head(A) ADD opt_ine(I) added(C). {
    struct ast_columns one = {0};
    cql_columns_push(p, &one, C);
    S = cql_build_alter_add(A, I, one);
}
single(S) ::= alter_head(A) ADD opt_ine(I) LP addeds(L) RP. {
    S = cql_build_alter_add(A, I, L);
}
single(S) ::= alter_head(A) DROP COMPACT STORAGE. {
    S = A;
    S->alter_table.kind = AST_ALTER_DROP_COMPACT;
}
single(S) ::= alter_head(A) DROP opt_ie(I) drop_names(L) using_timestamp(U). {
    S = A;
    S->alter_table.kind = AST_ALTER_DROP;
    S->alter_table.if_column = I;
    S->alter_table.names = L;
    S->alter_table.timestamp = U.timestamp;
}
drop_names(L) ::= name(N). { L = (struct ast_names){0}; cql_names_push(p, &L, N); }
drop_names(L) ::= paren_names(M). { L = M; }
single(S) ::= alter_head(A) RENAME opt_ie(I) renames(L). {
    S = A;
    S->alter_table.kind = AST_ALTER_RENAME;
    S->alter_table.if_column = I;
    S->alter_table.names = L;
}
renames(L) ::= name(A) TO name(B). {
    L = (struct ast_names){0};
    cql_names_push(p, &L, A);
    cql_names_push(p, &L, B);
}
renames(L) ::= renames(M) AND name(A) TO name(B). {
    L = M;
    cql_names_push(p, &L, A);
    cql_names_push(p, &L, B);
}
%type alter_column {struct ast_stmt *}
alter_column(S) ::= alter_head(A) ALTER opt_ie(I) name(N). {
    S = A;
    S->alter_table.if_column = I;
    cql_names_push(p, &S->alter_table.names, N);
}
single(S) ::= alter_column(A) TYPE type_. {
    S = A;
    S->alter_table.kind = AST_ALTER_TYPE;
}
single(S) ::= alter_column(A) mask. {
    S = A;
    S->alter_table.kind = AST_ALTER_MASK;
}
single(S) ::= alter_column(A) DROP MASKED. {
    S = A;
    S->alter_table.kind = AST_ALTER_UNMASK;
}
single(S) ::= alter_head(A) WITH properties(P). {
    S = A;
    S->alter_table.kind = AST_ALTER_WITH;
    S->alter_table.properties = P;
}

/* ---- user-defined types */
%type user_type {struct ast_table}
%type type_fields {struct ast_columns}
%type type_list {struct ast_columns}
%type type_field {struct ast_column}
user_type(I) ::= IDENT(T). { I = cql_build_user_type(p, BYTES_NONE, T.text); }
user_type(I) ::= QUOTED(T). {
    I = (struct ast_table){BYTES_NONE, cql_build_quoted(p, &T)};
}
user_type(I) ::= name(K) DOT IDENT(T). { I = cql_build_user_type(p, K, T.text); }
user_type(I) ::= name(K) DOT QUOTED(T). {
    I = (struct ast_table){K, cql_build_quoted(p, &T)};
}
type_field(C) ::= name(N) type_(T). { C = (struct ast_column){.name = N, .type = T}; }
type_list(L) ::= type_field(C). {
    L = (struct ast_columns){0};
    cql_columns_push(p, &L, C);
}
type_list(L) ::= type_list(M) COMMA type_field(C). { L = M; cql_columns_push(p, &L, C); }
type_list(L) ::= type_list(M) COMMA. { L = M; }
type_fields(L) ::= type_field(C). {
    L = (struct ast_columns){0};
    cql_columns_push(p, &L, C);
}
type_fields(L) ::= type_fields(M) COMMA type_field(C). { L = M; cql_columns_push(p, &L, C); }
single(S) ::= CREATE TYPE opt_ine(B) user_type(I) LP type_list(L) RP. {
    S = cql_build_stmt(p, AST_CREATE_TYPE);
    S->user_type = (struct ast_user_type){.id = I, .if_not_exists = B, .fields = L};
}
single(S) ::= ALTER TYPE opt_ie(B) user_type(I) ADD opt_ine(F) type_field(C). {
    S = cql_build_stmt(p, AST_ALTER_TYPE_STMT);
    S->user_type = (struct ast_user_type){.id = I, .if_exists = B, .if_field = F};
    cql_columns_push(p, &S->user_type.fields, C);
}
single(S) ::= ALTER TYPE opt_ie(B) user_type(I) ALTER name TYPE type_. {
    S = cql_build_stmt(p, AST_ALTER_TYPE_STMT);
    S->user_type =
        (struct ast_user_type){.id = I, .if_exists = B, .kind = AST_ALTER_TYPE_ALTER};
}
single(S) ::= ALTER TYPE opt_ie(B) user_type(I) RENAME opt_ie(F) renames(L). {
    S = cql_build_stmt(p, AST_ALTER_TYPE_STMT);
    S->user_type = (struct ast_user_type){
        .id = I, .if_exists = B, .if_field = F, .kind = AST_ALTER_TYPE_RENAME, .names = L};
}
single(S) ::= DROP TYPE opt_ie(B) user_type(I). { S = cql_build_drop(p, AST_DROP_TYPE, I, B); }

/* ---- DESCRIBE */
%type describe {struct ast_describe}
%type full {bool}
single(S) ::= describe_kw describe(D) opt_internals(I). {
    S = cql_build_stmt(p, AST_DESCRIBE);
    S->describe = D;
    S->describe.internals = I;
}
%type opt_internals {bool}
opt_internals(B) ::= . { B = false; }
opt_internals(B) ::= WITH INTERNALS. { B = true; }
describe_kw ::= DESCRIBE.
describe_kw ::= DESC.
full(B) ::= . { B = false; }
full(B) ::= FULL. { B = true; }
describe(D) ::= CLUSTER. { D = (struct ast_describe){.kind = AST_DESCRIBE_CLUSTER}; }
describe(D) ::= full(F) SCHEMA. { D = (struct ast_describe){.kind = AST_DESCRIBE_SCHEMA, .full = F}; }
describe(D) ::= KEYSPACES. { D = (struct ast_describe){.kind = AST_DESCRIBE_KEYSPACES}; }
describe(D) ::= KEYSPACE opt_name(N). {
    D = (struct ast_describe){.kind = AST_DESCRIBE_KEYSPACE, .id.name = N};
}
describe(D) ::= ONLY KEYSPACE opt_name(N). {
    D = (struct ast_describe){.kind = AST_DESCRIBE_KEYSPACE, .id.name = N, .only = true};
}
describe(D) ::= tables_kw. { D = (struct ast_describe){.kind = AST_DESCRIBE_TABLES}; }
describe(D) ::= table_kw id(I). { D = (struct ast_describe){.kind = AST_DESCRIBE_TABLE, .id = I}; }
describe(D) ::= INDEX id(I). { D = (struct ast_describe){.kind = AST_DESCRIBE_INDEX, .id = I}; }
describe(D) ::= MATERIALIZED VIEW id(I). {
    D = (struct ast_describe){.kind = AST_DESCRIBE_VIEW, .id = I};
}
describe(D) ::= TYPES. { D = (struct ast_describe){.kind = AST_DESCRIBE_TYPES}; }
describe(D) ::= TYPE id(I). { D = (struct ast_describe){.kind = AST_DESCRIBE_TYPE, .id = I}; }
describe(D) ::= FUNCTIONS. { D = (struct ast_describe){.kind = AST_DESCRIBE_FUNCTIONS}; }
describe(D) ::= FUNCTION id(I). {
    D = (struct ast_describe){.kind = AST_DESCRIBE_FUNCTION, .id = I};
}
describe(D) ::= AGGREGATES. { D = (struct ast_describe){.kind = AST_DESCRIBE_AGGREGATES}; }
describe(D) ::= AGGREGATE id(I). {
    D = (struct ast_describe){.kind = AST_DESCRIBE_AGGREGATE, .id = I};
}
describe(D) ::= id(I). { D = (struct ast_describe){.kind = AST_DESCRIBE_ANY, .id = I}; }

/* ---- indexes */
%type custom {bool}
%type target {struct ast_target}
%type targets {struct ast_targets}
%type opt_targets {struct ast_targets}
%type opt_index_using {struct ast_term *}
%type opt_index_with {struct ast_properties}
single(S) ::= CREATE custom(C) INDEX opt_ine(I) opt_name(N) ON id(T) LP opt_targets(L) RP
              opt_index_using(U) opt_index_with(P). {
    S = cql_build_stmt(p, AST_CREATE_INDEX);
    S->create_index = (struct ast_create_index){.table = T, .name = N, .custom = C,
                                                .if_not_exists = I, .targets = L, .class = U,
                                                .properties = P};
}
custom(C) ::= . { C = false; }
custom(C) ::= CUSTOM. { C = true; }
opt_targets(L) ::= . { L = (struct ast_targets){0}; }
opt_targets(L) ::= targets(M). { L = M; }
targets(L) ::= target(T). { L = (struct ast_targets){0}; cql_targets_push(p, &L, T); }
targets(L) ::= targets(M) COMMA target(T). { L = M; cql_targets_push(p, &L, T); }
target(T) ::= name(N). { T = (struct ast_target){AST_TARGET_COLUMN, N}; }
target(T) ::= KEYS LP name(N) RP. { T = (struct ast_target){AST_TARGET_KEYS, N}; }
target(T) ::= VALUES LP name(N) RP. { T = (struct ast_target){AST_TARGET_VALUES, N}; }
target(T) ::= ENTRIES LP name(N) RP. { T = (struct ast_target){AST_TARGET_ENTRIES, N}; }
target(T) ::= FULL LP name(N) RP. { T = (struct ast_target){AST_TARGET_FULL, N}; }
opt_index_using(U) ::= . { U = NULL; }
opt_index_using(U) ::= USING STRING(T). { U = cql_build_leaf(p, AST_STRING, T.text); }
opt_index_with(P) ::= . { P = (struct ast_properties){0}; }
opt_index_with(P) ::= WITH properties(A). { P = A; }
single(S) ::= DROP INDEX opt_ie(I) id(T). { S = cql_build_drop(p, AST_DROP_INDEX, T, I); }

/* ---- what this release refuses by name */
other(S) ::= CREATE MATERIALIZED VIEW opt_ine id AS SELECT select_list FROM id where
             PRIMARY KEY LP view_key RP opt_options. {
    S = cql_build_other(p, (struct ast_other){.what = "CREATE MATERIALIZED VIEW"});
}
view_key ::= view_partition.
view_key ::= view_partition COMMA names.
view_partition ::= name.
view_partition ::= paren_names.
other(S) ::= ALTER MATERIALIZED VIEW opt_ie(I) id(T) WITH options. {
    S = cql_build_other(p, (struct ast_other){"ALTER MATERIALIZED VIEW", "Materialized view", T,
                                              BYTES_NONE, I});
}
other(S) ::= DROP MATERIALIZED VIEW opt_ie(I) id(T). {
    S = cql_build_other(p, (struct ast_other){"DROP MATERIALIZED VIEW", "Materialized view", T,
                                              BYTES_NONE, I});
}

other(S) ::= CREATE opt_replace FUNCTION opt_ine id LP opt_arguments RP null_call ON NULL INPUT
             RETURNS type_ LANGUAGE name AS STRING. { S = cql_build_other(p, (struct ast_other){.what = "CREATE FUNCTION"}); }
opt_replace ::= .
opt_replace ::= OR REPLACE.
opt_arguments ::= .
opt_arguments ::= type_fields(A). { (void)A; }
null_call ::= CALLED.
null_call ::= RETURNS NULL.
other(S) ::= DROP FUNCTION opt_ie(I) id(T) opt_signature(A). {
    S = cql_build_other(p, (struct ast_other){"DROP FUNCTION", "Function", T, A, I});
}
opt_signature(A) ::= . { A = BYTES_NONE; }
opt_signature(A) ::= LP RP. { A = BYTES_LIT("()"); }
opt_signature(A) ::= LP(L) types RP(R). {
    A = bytes_make(L.raw.data, (size_t)(R.raw.data - L.raw.data) + R.raw.len);
}
other(S) ::= CREATE opt_replace AGGREGATE opt_ine id LP opt_types RP SFUNC name STYPE type_
             opt_finalfunc opt_initcond. { S = cql_build_other(p, (struct ast_other){.what = "CREATE AGGREGATE"}); }
opt_types(T) ::= . { T = NULL; }
opt_types(T) ::= types(A). { T = A; }
opt_finalfunc ::= .
opt_finalfunc ::= FINALFUNC name.
opt_initcond ::= .
opt_initcond ::= INITCOND term.
other(S) ::= DROP AGGREGATE opt_ie(I) id(T) opt_signature(A). {
    S = cql_build_other(p, (struct ast_other){"DROP AGGREGATE", "Aggregate", T, A, I});
}

other(S) ::= CREATE TRIGGER opt_ine name ON id USING STRING. {
    S = cql_build_other(p, (struct ast_other){.what = "CREATE TRIGGER"});
}
other(S) ::= DROP TRIGGER opt_ie(I) name(N) ON id(T). {
    S = cql_build_other(p, (struct ast_other){"DROP TRIGGER", "Trigger", T, N, I});
}

/* ---- roles and permissions */
%type role_name {struct bytes}
%type user_name {struct bytes}
%type role_option {struct ast_role_options}
%type role_options {struct ast_role_options}
%type opt_role_with {struct ast_role_options}
%type opt_user_password {struct ast_role_options}
%type opt_superuser {bool}
%type opt_of_role {struct ast_grant}
%type opt_norecursive {bool}
%type permissions {uint32_t}
%type permission_list {uint32_t}
%type permission {uint32_t}
%type resource {struct ast_resource}
%type strings {struct ast_names}
%type opt_types {struct ast_type *}

role_name(N) ::= name(A). { N = A; }
role_name(N) ::= STRING(T). { N = T.text; }
role_name(N) ::= QMARK. { N = cql_build_role_marker(p); }
other(S) ::= CREATE ROLE opt_ine(I) role_name(N) opt_role_with(O). {
    S = cql_build_role(p, AST_CREATE_ROLE, N, I, &O);
}
other(S) ::= ALTER ROLE opt_ie(I) role_name(N) opt_role_with(O). {
    S = cql_build_role(p, AST_ALTER_ROLE, N, I, &O);
}
other(S) ::= DROP ROLE opt_ie(I) role_name(N). { S = cql_build_role(p, AST_DROP_ROLE, N, I, NULL); }
opt_role_with(O) ::= . { O = (struct ast_role_options){0}; }
opt_role_with(O) ::= WITH role_options(A). { O = A; }
role_options(O) ::= role_option(A). { O = A; }
role_options(O) ::= role_options(A) AND role_option(B). { O = cql_role_options_add(A, B); }
role_option(O) ::= PASSWORD EQ STRING(T). {
    O = (struct ast_role_options){.has_password = true, .password = T.text};
}
role_option(O) ::= HASHED PASSWORD EQ STRING(T). {
    O = (struct ast_role_options){.has_password = true, .hashed = true, .password = T.text};
}
role_option(O) ::= OPTIONS EQ LC opt_pairs RC. {
    O = (struct ast_role_options){.has_options = true};
}
role_option(O) ::= SUPERUSER EQ BOOL(T). {
    O = (struct ast_role_options){.has_superuser = true,
                                  .superuser = bytes_equal_text(T.text, "true")};
}
role_option(O) ::= LOGIN EQ BOOL(T). {
    O = (struct ast_role_options){.has_login = true, .login = bytes_equal_text(T.text, "true")};
}
role_option(O) ::= ACCESS TO ALL DATACENTERS. {
    O = (struct ast_role_options){.has_dcs = true, .all_dcs = true};
}
role_option(O) ::= ACCESS TO DATACENTERS LC strings(L) RC. {
    O = (struct ast_role_options){.has_dcs = true, .dcs = L};
}
role_option(O) ::= ACCESS FROM ALL CIDRS. {
    O = (struct ast_role_options){.has_cidrs = true, .all_cidrs = true};
}
role_option(O) ::= ACCESS FROM CIDRS LC strings(L) RC. {
    O = (struct ast_role_options){.has_cidrs = true, .cidrs = L};
}
opt_pairs ::= .
opt_pairs ::= pairs.
strings(L) ::= STRING(T). { L = (struct ast_names){0}; cql_names_push(p, &L, T.text); }
strings(L) ::= strings(A) COMMA STRING(T). { L = A; cql_names_push(p, &L, T.text); }
other(S) ::= CREATE USER opt_ine(I) user_name(N) opt_user_password(O) opt_superuser(U). {
    O.has_superuser = O.has_login = O.login = true;
    O.superuser = U;
    S = cql_build_role(p, AST_CREATE_ROLE, N, I, &O);
}
other(S) ::= ALTER USER opt_ie(I) user_name(N) opt_user_password(O). {
    S = cql_build_role(p, AST_ALTER_ROLE, N, I, &O);
}
other(S) ::= ALTER USER opt_ie(I) user_name(N) opt_user_password(O) SUPERUSER. {
    O.has_superuser = O.superuser = true;
    S = cql_build_role(p, AST_ALTER_ROLE, N, I, &O);
}
other(S) ::= ALTER USER opt_ie(I) user_name(N) opt_user_password(O) NOSUPERUSER. {
    O.has_superuser = true;
    S = cql_build_role(p, AST_ALTER_ROLE, N, I, &O);
}
other(S) ::= DROP USER opt_ie(I) user_name(N). { S = cql_build_role(p, AST_DROP_ROLE, N, I, NULL); }
user_name(N) ::= IDENT(T). { N = T.text; }
user_name(N) ::= STRING(T). { N = T.text; }
user_name(N) ::= QUOTED. { N = cql_build_user_quoted(p); }
opt_user_password(O) ::= . { O = (struct ast_role_options){0}; }
opt_user_password(O) ::= WITH PASSWORD STRING(T). {
    O = (struct ast_role_options){.has_password = true, .password = T.text};
}
opt_user_password(O) ::= WITH HASHED PASSWORD STRING(T). {
    O = (struct ast_role_options){.has_password = true, .hashed = true, .password = T.text};
}
opt_superuser(B) ::= . { B = false; }
opt_superuser(B) ::= SUPERUSER. { B = true; }
opt_superuser(B) ::= NOSUPERUSER. { B = false; }
other(S) ::= ADD IDENTITY opt_ine(I) identity(T) TO ROLE role_name(N). {
    S = cql_build_identity(p, AST_ADD_IDENTITY, T, I, N);
}
other(S) ::= DROP IDENTITY opt_ie(I) identity(T). {
    S = cql_build_identity(p, AST_DROP_IDENTITY, T, I, BYTES_NONE);
}
%type identity {struct bytes}
identity(N) ::= IDENT(T). { N = T.text; }
identity(N) ::= STRING(T). { N = T.text; }
identity(N) ::= QUOTED(T). { N = cql_build_quoted(p, &T); }

other(S) ::= GRANT permissions(M) ON resource(R) TO role_name(N). {
    S = cql_build_grant(p, AST_GRANT, (struct ast_grant){.permissions = M, .has_resource = true,
                                                         .resource = R, .grantee = N});
}
other(S) ::= REVOKE permissions(M) ON resource(R) FROM role_name(N). {
    S = cql_build_grant(p, AST_REVOKE, (struct ast_grant){.permissions = M, .has_resource = true,
                                                          .resource = R, .grantee = N});
}
other(S) ::= GRANT role_name(A) TO role_name(B). {
    S = cql_build_grant(p, AST_GRANT_ROLE, (struct ast_grant){.role = A, .grantee = B});
}
other(S) ::= REVOKE role_name(A) FROM role_name(B). {
    S = cql_build_grant(p, AST_REVOKE_ROLE, (struct ast_grant){.role = A, .grantee = B});
}
other(S) ::= LIST permissions(M) opt_of_role(G) opt_norecursive(B). {
    G.permissions = M;
    G.norecursive = B;
    S = cql_build_grant(p, AST_LIST_PERMISSIONS, G);
}
other(S) ::= LIST permissions(M) ON resource(R) opt_of_role(G) opt_norecursive(B). {
    G.permissions = M;
    G.has_resource = true;
    G.resource = R;
    G.norecursive = B;
    S = cql_build_grant(p, AST_LIST_PERMISSIONS, G);
}
other(S) ::= LIST ROLES opt_of_role(G) opt_norecursive(B). {
    G.norecursive = B;
    S = cql_build_grant(p, AST_LIST_ROLES, G);
}
other(S) ::= LIST USERS. { S = cql_build_grant(p, AST_LIST_USERS, (struct ast_grant){0}); }
opt_of_role(G) ::= . { G = (struct ast_grant){0}; }
opt_of_role(G) ::= OF role_name(N). {
    G = (struct ast_grant){.has_grantee = true, .grantee = N};
}
opt_norecursive(B) ::= . { B = false; }
opt_norecursive(B) ::= NORECURSIVE. { B = true; }
permissions(M) ::= ALL. { M = PERMISSIONS_ALL; }
permissions(M) ::= ALL PERMISSIONS. { M = PERMISSIONS_ALL; }
permissions(M) ::= permission_list(A). { M = A; }
permissions(M) ::= permission(A) PERMISSION. { M = A; }
permission_list(M) ::= permission(A). { M = A; }
permission_list(M) ::= permission_list(A) COMMA permission(B). { M = A | B; }
permission(M) ::= CREATE. { M = 1u << PERMISSION_CREATE; }
permission(M) ::= ALTER. { M = 1u << PERMISSION_ALTER; }
permission(M) ::= DROP. { M = 1u << PERMISSION_DROP; }
permission(M) ::= SELECT. { M = 1u << PERMISSION_SELECT; }
permission(M) ::= MODIFY. { M = 1u << PERMISSION_MODIFY; }
permission(M) ::= AUTHORIZE. { M = 1u << PERMISSION_AUTHORIZE; }
permission(M) ::= DESCRIBE. { M = 1u << PERMISSION_DESCRIBE; }
permission(M) ::= EXECUTE. { M = 1u << PERMISSION_EXECUTE; }
permission(M) ::= UNMASK. { M = 1u << PERMISSION_UNMASK; }
permission(M) ::= SELECT_MASKED. { M = 1u << PERMISSION_SELECT_MASKED; }
resource(R) ::= ALL KEYSPACES. { R = (struct ast_resource){.kind = RESOURCE_ALL_KEYSPACES}; }
resource(R) ::= KEYSPACE name(N). {
    R = (struct ast_resource){.kind = RESOURCE_KEYSPACE, .id = {N, BYTES_NONE}};
}
resource(R) ::= ALL tables_kw IN KEYSPACE name(N). {
    R = (struct ast_resource){.kind = RESOURCE_ALL_TABLES, .id = {N, BYTES_NONE}};
}
resource(R) ::= id(T). { R = (struct ast_resource){.kind = RESOURCE_TABLE, .id = T}; }
resource(R) ::= table_kw id(T). { R = (struct ast_resource){.kind = RESOURCE_TABLE, .id = T}; }
resource(R) ::= ALL ROLES. { R = (struct ast_resource){.kind = RESOURCE_ALL_ROLES}; }
resource(R) ::= ROLE role_name(N). {
    R = (struct ast_resource){.kind = RESOURCE_ROLE, .id = {BYTES_NONE, N}};
}
resource(R) ::= ALL FUNCTIONS. { R = (struct ast_resource){.kind = RESOURCE_ALL_FUNCTIONS}; }
resource(R) ::= ALL FUNCTIONS IN KEYSPACE name(N). {
    R = (struct ast_resource){.kind = RESOURCE_KEYSPACE_FUNCTIONS, .id = {N, BYTES_NONE}};
}
resource(R) ::= FUNCTION id(F) LP opt_types(T) RP. {
    R = (struct ast_resource){.kind = RESOURCE_FUNCTION, .id = F, .types = T};
}
resource(R) ::= ALL MBEANS. { R = (struct ast_resource){.kind = RESOURCE_ALL_MBEANS}; }
resource(R) ::= MBEAN STRING(T). {
    R = (struct ast_resource){.kind = RESOURCE_MBEAN, .id = {BYTES_NONE, T.text}};
}
resource(R) ::= MBEANS STRING(T). {
    R = (struct ast_resource){.kind = RESOURCE_MBEAN, .id = {BYTES_NONE, T.text}};
}

%code {
int cql_token_fallback(int code)
{
    return cql_lemonFallback(code);
}

/* Which tokens could stand where `bad` stood? Their count; *ret_one is the last of them. */
static size_t expected_tokens(const yyParser *lemon, int *ret_one)
{
    size_t count = 0;
    for (int code = 1; code < YYNTOKEN; code++) {
        if (lemon->yytos->stateno > YY_MAX_SHIFT || code == CQL_TOKEN_TYPE_ONLY)
            continue;
        unsigned i = yy_shift_ofst[lemon->yytos->stateno] + (unsigned)code;
        if (i < YY_NLOOKAHEAD && yy_lookahead[i] == code && yy_action[i] != YY_ERROR_ACTION) {
            count++;
            *ret_one = code;
        }
    }
    return count;
}

size_t cql_parser_expected(const void *lemon, int *ret_one)
{
    return expected_tokens(lemon, ret_one);
}

void cql_parser_run(struct cql_parser *p, struct cql_lexer *lexer, int first)
{
    yyParser lemon;
    cql_lemonInit(&lemon);
    if (first != 0)
        cql_lemon(&lemon, first, (struct cql_token){.code = first}, p);
    while (p->err == ERR_OK) {
        struct cql_token t = cql_parser_token(p, lexer);
        if (p->err != ERR_OK)
            break;
        cql_lemon(&lemon, t.code, t, p);
        if (t.code == 0)
            break;
    }
    cql_lemonFinalize(&lemon);
}
}
