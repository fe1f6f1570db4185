/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boxes: a device made up for a lesson. It has a few numbered boxes, each with a number in it,
 * which may be put in and looked at. Front end and back end share this protocol and nothing else.
 *
 * Requests and answers go over the rings of hv_ring.h, front and back end meet in a device page.
 */
#ifndef BOXES_H
#define BOXES_H

#include <hv_start.h>
#include <hvlib/device.h>
#include <hvlib/ring.h>

#define BOXES_CLASS        HV_DEVICE_PRIVATE
#define BOXES_CONFIG_COUNT 0u /* hv_device_page.back.config: how many boxes there are */

#define BOXES_PUT  0u
#define BOXES_LOOK 1u

struct boxes_request {
    uint32_t id; /* the front end's, echoed */
    uint32_t op; /* BOXES_… */
    uint64_t box;
    uint64_t value; /* of PUT */
};

#define BOXES_OK     0u
#define BOXES_EOP    1u /* no such operation */
#define BOXES_EBOX   2u /* no such box */
#define BOXES_STATES 3u

struct boxes_answer {
    uint32_t id;
    uint32_t status; /* BOXES_OK, … */
    uint64_t value;  /* of LOOK */
};

/* ---- the front end ---- */

struct boxes {
    HV_ALIGNED(HV_PAGE_SIZE) char request_page[HV_PAGE_SIZE];
    char answer_page[HV_PAGE_SIZE];
    struct hv_device record; /* from the device list: peer, device page, port */
    struct hv_front front;
    struct hv_ring ring;
    uint64_t request_ref, answer_ref;
    uint64_t count; /* boxes, as the back end says */
    uint32_t next_id;
};

/* Connect to the device of that name in the device list. 0 or an error. */
int64_t boxes_open(struct boxes *b);
/* Put a value into a box, or look at it. A status (BOXES_…), or -HV_EDEAD: the back end is gone. */
int64_t boxes_call(struct boxes *b, uint32_t op, uint64_t box, uint64_t *value);
/* Leave, and have the memory back. */
void boxes_close(struct boxes *b);

/* ---- the back end ---- */

#define BOXES 16u

struct boxes_back {
    uint64_t peer; /* who the front end is, and where it is to be found */
    uint64_t page_ref;
    uint32_t port;
    struct hv_back device;
    struct hv_ring ring;
    void *in, *out; /* windows, while connected */
    uint64_t box[BOXES];
    uint64_t served, refused, broken; /* requests answered well, refused; connections that broke */
};

/* Map the device page. 0 or an error. */
int64_t boxes_back_open(struct boxes_back *b, uint64_t peer, uint64_t page_ref, uint32_t port);
/* Do what there is to do, a bounded part of it. True: there is more, do not sleep. */
bool boxes_back_step(struct boxes_back *b);
/* Let go of everything. */
void boxes_back_close(struct boxes_back *b);

#endif
