#include "node/sim/run/workload.h"

uint32_t workload_replicas(const struct workload_env *env, enum cql_consistency level)
{
    switch (level) {
    case CQL_CL_TWO: return 2;
    case CQL_CL_THREE: return 3;
    case CQL_CL_QUORUM: return env->rf * env->dcs / 2 + 1;
    case CQL_CL_LOCAL_QUORUM: return env->rf / 2 + 1;
    case CQL_CL_ALL: return env->rf * env->dcs;
    default: return 1;
    }
}

int64_t workload_stamp(struct workload_env *env)
{
    usec now = sim_now(env->sim);
    env->stamp = env->stamp + 1 > now ? env->stamp + 1 : now;
    int64_t stamp = env->stamp;
    if (rng_chance(&env->rng, 100000))
        stamp -= rng_between(&env->rng, 1, 2 * USEC_PER_SEC);
    return INT64_C(1767225600000000) + stamp * 1024 + ++env->values % 1024;
}

bool workload_error_is_expected(enum cql_error_code code)
{
    switch (code) {
    case CQL_ERROR_SERVER: /* not ready yet */
    case CQL_ERROR_UNAVAILABLE:
    case CQL_ERROR_OVERLOADED:
    case CQL_ERROR_BOOTSTRAPPING:
    case CQL_ERROR_WRITE_TIMEOUT:
    case CQL_ERROR_READ_TIMEOUT:
    case CQL_ERROR_WRITE_FAILURE:
    case CQL_ERROR_READ_FAILURE: return true;
    default: return false;
    }
}
