/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of the calls about virtual CPUs, in a domain that has as many as there can be.
 */
#include "bounds.h"

static uint64_t crowd; /* root's child, all vCPUs up but number 0, which never ran */

void bound_vcpus(uint64_t dom, uint64_t rip)
{
    HV_BUFFER(64) struct hv_vcpu_context context = { .rip = rip };

    for (uint64_t n = 1; n < HV_MAX_VCPUS; n++) {
        NEED(hv_vcpu_create(dom, n));
        NEED(hv_vcpu_set_context(dom, n, hv_gpa(&context)));
    }
}

static void drive_vcpu_create(void)
{
    HV_BUFFER(64) struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    uint64_t dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 600, .ram_pages = 1, .vcpus = HV_MAX_VCPUS, .weight = 1 }));

    bound_dirty();
    for (uint64_t n = 1; n < HV_MAX_VCPUS; n++)
        CHECK_EQ(TIMED(hv_vcpu_create(dom, n)), 0);
    /* Of the last one's three frames the third is not there. */
    crowd = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = test_info(dom).used - 1, .ram_pages = 1, .vcpus = HV_MAX_VCPUS, .weight = 256 }));
    for (uint64_t n = 1; n < HV_MAX_VCPUS - 1; n++)
        NEED(hv_vcpu_create(crowd, n));
    CHECK_EQ(TIMED(hv_vcpu_create(crowd, HV_MAX_VCPUS - 1)), -HV_ENOMEM);
    bound_end(crowd);
    crowd = dom;
    for (uint64_t n = 0; n < HV_MAX_VCPUS; n++)
        NEED(hv_vcpu_set_context(crowd, n, hv_gpa(&context)));
    raw_spin(crowd);
}
BOUND(vcpu_create, 3200, drive_vcpu_create);

static void drive_vcpu_up(void)
{
    for (uint64_t n = 1; n < HV_MAX_VCPUS; n++) {
        CHECK_EQ(hv_domain_pause(crowd), 0); /* who comes up could run at once */
        CHECK_EQ(TIMED(hv_vcpu_up(crowd, n)), 0);
        CHECK_EQ(hv_domain_unpause(crowd), 0);
    }
}
BOUND(vcpu_up, 6400, drive_vcpu_up);

static void drive_vcpu_down(void)
{
    CHECK_EQ(hv_domain_pause(crowd), 0);
    CHECK_EQ(TIMED(hv_vcpu_down(crowd, 1)), 0);
    CHECK_EQ(TIMED(hv_vcpu_down(crowd, HV_MAX_VCPUS - 1)), 0);
}
BOUND(vcpu_down, 6400, drive_vcpu_down);

static void drive_vcpu_set_affinity(void)
{
    CHECK_EQ(TIMED(hv_vcpu_set_affinity(crowd, 1, 1)), 0);
    CHECK_EQ(TIMED(hv_vcpu_set_affinity(crowd, 2, ~(uint64_t)0)), 0);
}
BOUND(vcpu_set_affinity, 250, drive_vcpu_set_affinity);

static void drive_sched_set(void)
{
    CHECK_EQ(TIMED(hv_sched_set(crowd, 65535, 0)), 0);
    bound_end(crowd);
}
BOUND_PART(sched_set, 6600, drive_sched_set, "of a child of root, whose own weight stays");

static void drive_vcpu_info(void)
{
    CHECK_EQ(TIMED(hv_vcpu_info(bound_peer(), 0, hv_gpa(bound_page))), 0);
}
BOUND(vcpu_info, 360, drive_vcpu_info);
