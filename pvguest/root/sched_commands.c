/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt's `sched`: shows and sets how much of the processors a domain may have, and on which
 * of them its vCPUs run. Owns nothing. All that a line asks for is looked at before the first of it
 * is done.
 */
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/vcpus.h"

#include <hvlib/arch/hypercall.h>

#define ALL_VCPUS HV_MAX_VCPUS
#define CAP_MAX   (100u * HV_MAX_VCPUS)

/* Whom a line is about, and what is to be set: NULL is not. */
struct request {
    const char *name;
    uint64_t dom;
    uint64_t vcpu; /* ALL_VCPUS: each */
    const char *weight, *cap, *affinity;
    uint64_t weight_value, cap_value, mask;
};

static bool concerns(const struct request *r, uint64_t vcpu)
{
    return r->vcpu == ALL_VCPUS || r->vcpu == vcpu;
}

/* ---- reading the line ---- */

/* "key=value" is of that key: the value. */
static const char *value_of(const char *word, const char *key)
{
    size_t length = strlen(key);
    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static bool read_setting(struct request *r, const char *word)
{
    const char *weight = value_of(word, "weight"), *cap = value_of(word, "cap");
    const char *affinity = value_of(word, "affinity");
    if (!weight && !cap && !affinity) {
        printk("sched: '%s' is none of weight=, cap=, affinity=\n", word);
        return false;
    }
    if ((weight && r->weight) || (cap && r->cap) || (affinity && r->affinity)) {
        printk("sched: '%s' comes twice\n", word);
        return false;
    }
    r->weight = weight ? weight : r->weight;
    r->cap = cap ? cap : r->cap;
    r->affinity = affinity ? affinity : r->affinity;
    return true;
}

static bool check_values(struct request *r)
{
    if (r->weight && (!number_parse(r->weight, &r->weight_value) || r->weight_value == 0 ||
                      r->weight_value > CONFIG_WEIGHT_MAX))
        printk("sched: '%s' is no weight: 1 to %u\n", r->weight, CONFIG_WEIGHT_MAX);
    else if (r->cap && strcmp(r->cap, "none") != 0 &&
             (!number_parse(r->cap, &r->cap_value) || r->cap_value > CAP_MAX))
        printk("sched: '%s' is no cap: percent of a processor, 1 to %u, or none\n", r->cap,
               CAP_MAX);
    else if (r->affinity && !(r->mask = affinity_parse(r->affinity)))
        printk("sched: '%s' is no list of processors: such as 0-1,3 of 0 to %u, or all\n",
               r->affinity, processors() - 1);
    else if ((r->weight || r->cap) && r->vcpu != ALL_VCPUS)
        printk("sched: weight and cap are a domain's, not a vCPU's: sched %s ...\n", r->name);
    else if ((r->weight || r->cap) && r->dom == HV_SELF)
        printk("sched: root's weight stays as it is, and it has no cap\n");
    else
        return true;
    return false;
}

static bool read_request(const struct command_line *line, struct request *r)
{
    struct hv_vcpu_info info;
    *r = (struct request){ .name = line->domain ? line->domain->config->name : "root",
                           .dom = line->domain ? line->domain->id : HV_SELF,
                           .vcpu = ALL_VCPUS };
    if (*line->vcpu &&
        (!number_parse(line->vcpu, &r->vcpu) || !vcpu_read(r->dom, r->vcpu, &info))) {
        printk("sched: %s has no vCPU '%s'\n", r->name, line->vcpu);
        return false;
    }
    for (unsigned n = 2; n < line->words; n++)
        if (!read_setting(r, line->word[n]))
            return false;
    return check_values(r);
}

/* ---- doing it ---- */

static int64_t set_share(const struct request *r)
{
    struct hv_vcpu_info now;
    if (!r->weight && !r->cap)
        return 0;
    if (!vcpu_read(r->dom, 0, &now))
        return -HV_EPERM;
    return hv_sched_set(r->dom, r->weight ? r->weight_value : now.weight,
                        r->cap ? r->cap_value : now.cap);
}

static int64_t set_affinity(const struct request *r)
{
    struct hv_vcpu_info now;
    int64_t result = 0;
    for (uint64_t n = 0; n < HV_MAX_VCPUS && r->affinity && result == 0; n++)
        if (concerns(r, n) && vcpu_read(r->dom, n, &now))
            result = hv_vcpu_set_affinity(r->dom, n, r->mask);
    return result;
}

static void print_share(const struct request *r, const struct hv_vcpu_info *info)
{
    printk("%s: weight %u, ", r->name, info->weight);
    printk(info->cap ? "cap %u%% of a processor\n" : "no cap\n", info->cap);
}

static void print_vcpus(const struct request *r)
{
    struct hv_vcpu_info info;
    char list[AFFINITY_TEXT];
    if (r->vcpu == ALL_VCPUS && vcpu_read(r->dom, 0, &info))
        print_share(r, &info);
    for (uint64_t n = 0; n < HV_MAX_VCPUS; n++) {
        if (!concerns(r, n) || !vcpu_read(r->dom, n, &info))
            continue;
        affinity_text(list, sizeof(list), info.affinity);
        printk("  %s.%lu: %s, processor %u, affinity %s\n", r->name, n, vcpu_state(&info), info.cpu,
               list);
    }
}

static void run_sched(const struct command_line *line)
{
    struct request r;
    int64_t result;
    if (!read_request(line, &r))
        return;
    result = set_share(&r);
    if (result == 0)
        result = set_affinity(&r);
    if (result < 0)
        printk("%s: refused (%s)\n", r.name, error_name(result));
    print_vcpus(&r);
}

COMMANDS(sched_commands) = {
    { .name = "sched",
      .arguments = "NAME[.N] [...]",
      .help = "share and processors of a domain, or of its vCPU N",
      .more =
          "  sched a                        as they are\n"
          "  sched a weight=512 cap=50      its share relative to the others, 256 if not said;\n"
          "                                 percent of a processor at most, or none\n"
          "  sched a affinity=0-1,3         the processors that its vCPUs may run on, or all\n"
          "  sched a.1 affinity=2           those of one vCPU\n",
      .run = run_sched,
      .subject = COMMAND_EXISTING,
      .takes_root = true,
      .takes_vcpu = true },
};
