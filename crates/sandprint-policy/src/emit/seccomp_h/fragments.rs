//! The parts of the header that are the same for every policy.

pub(super) const HEAD: &str = "\
/* Made by sandprint. Link with -lseccomp (2.4.0 or later). */
#ifndef SANDPRINT_FILTER_H
#define SANDPRINT_FILTER_H

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define SANDPRINT_COUNT(list) (sizeof(list) / sizeof((list)[0]))

";

/// A filter of one ABI, whichever is native.
pub(super) const HELPERS: &str = "\
static inline int sandprint_new_filter(scmp_filter_ctx *made, uint32_t abi) {
    scmp_filter_ctx filter = seccomp_init(SANDPRINT_DEFAULT_ACTION);
    int result;

    *made = filter;
    if (filter == NULL)
        return -EINVAL;
    result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SANDPRINT_OTHER_ABI_ACTION);
    if (result == 0 && abi != seccomp_arch_native()) {
        result = seccomp_arch_add(filter, abi);
        if (result == 0)
            result = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
    }
    return result;
}

static inline int sandprint_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count) {
    int result = 0;
    size_t i;

    for (i = 0; i < count && result == 0; i++)
        result = seccomp_rule_add(filter, action, calls[i], 0);
    return result;
}

";

/// libseccomp takes the native number of a name and translates it for the ABI of the filter.
pub(super) const NAME_HELPERS: &str = "\
/* Names that this libseccomp does not know are left to the default action. */
static inline int sandprint_add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                                      size_t count) {
    int result = 0;
    size_t i;

    for (i = 0; i < count && result == 0; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);

        if (call != __NR_SCMP_ERROR)
            result = seccomp_rule_add(filter, action, call, 0);
    }
    return result;
}

";

pub(super) const CONDITION_HELPERS: &str = "\
struct sandprint_entry {
    const char *name; /* or NULL, then the number */
    int call;
    uint32_t action;
    unsigned int first, count; /* which conditions */
};

static inline int sandprint_add_conditioned(scmp_filter_ctx filter, const struct sandprint_entry *entries,
                                            size_t count, const struct scmp_arg_cmp *conditions) {
    int result = 0;
    size_t i;

    for (i = 0; i < count && result == 0; i++) {
        const struct sandprint_entry *entry = &entries[i];
        int call = entry->name == NULL ? entry->call : seccomp_syscall_resolve_name(entry->name);

        if (call != __NR_SCMP_ERROR)
            result = seccomp_rule_add_array(filter, entry->action, call, entry->count,
                                            conditions + entry->first);
    }
    return result;
}

";

pub(super) const TAIL: &str = "\
#else
#error \"this policy holds no rules for the ABI that you compile for\"
#endif

/* Builds the filter and loads it into this thread and what it starts. Sets no_new_privs.
   Returns 0, or a negative errno. */
static inline int sandprint_load_filter(void) {
    scmp_filter_ctx filter = NULL;
    int result = sandprint_build_filter(&filter);

    if (result < 0)
        return result;
    result = seccomp_load(filter);
    seccomp_release(filter);
    return result;
}

#endif /* SANDPRINT_FILTER_H */
";
