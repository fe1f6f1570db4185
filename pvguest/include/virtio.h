/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtio 1.0 over PCI: the transport (virtio_pci.c), one kind of queue whose requests are indirect
 * tables (virtio_queue.c), and the disk on top of them (virtio_blk.c). The numbers are those of the
 * "Virtual I/O Device (VIRTIO) Version 1.0" specification.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_VENDOR       0x1af4
#define VIRTIO_DEVICE_BLOCK 0x1042

#define VIRTIO_F_INDIRECT  ((uint64_t)1 << 28)
#define VIRTIO_F_EVENT_IDX ((uint64_t)1 << 29)
#define VIRTIO_F_VERSION_1 ((uint64_t)1 << 32)

/* Section 4.1.4.3: the common configuration. */
struct virtio_common {
    uint32_t device_feature_select;
    uint32_t device_feature;
    uint32_t driver_feature_select;
    uint32_t driver_feature;
    uint16_t config_msix_vector;
    uint16_t num_queues;
    uint8_t device_status;
    uint8_t config_generation;
    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_msix_vector;
    uint16_t queue_enable;
    uint16_t queue_notify_off;
    uint64_t queue_desc;
    uint64_t queue_driver;
    uint64_t queue_device;
};
_Static_assert(sizeof(struct virtio_common) == 56, "layout");

struct virtio_device {
    uint16_t function; /* PCI */
    uint64_t features; /* agreed on */
    volatile struct virtio_common *common;
    volatile uint8_t *config; /* device-specific */
    volatile uint8_t *notify;
    uint32_t notify_multiplier;
};

/* Map the registers and reset the device. 0, or a negative number and a message was printed. */
int virtio_open(struct virtio_device *v, uint16_t function);
/* Agree on features: all of `required`, any of `wanted`. */
int virtio_negotiate(struct virtio_device *v, uint64_t required, uint64_t wanted);
/* From here on the device may use its queues. */
void virtio_ready(struct virtio_device *v);
void virtio_reset(struct virtio_device *v);

/* Section 2.4: the split virtqueue. */
#define VIRTIO_QUEUE_SIZE 128u
#define VIRTIO_SEGMENTS   20u /* of one request, header and status included */

struct virtio_desc {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags;
    uint16_t next;
};

/* Device-visible memory of one request: its indirect table and what the driver puts beside it. */
struct virtio_slot {
    struct virtio_desc table[VIRTIO_SEGMENTS];
    uint8_t extra[192];
};
_Static_assert(sizeof(struct virtio_slot) == 512, "a slot must not cross a page");

struct virtio_queue {
    struct virtio_device *device;
    uint16_t index;
    uint16_t size;
    uint16_t next_avail; /* not yet shown to the device */
    uint16_t shown;      /* avail index that the device sees */
    uint16_t last_used;
    uint16_t free_count;
    uint16_t free_head;
    uint16_t free_next[VIRTIO_QUEUE_SIZE];
    struct virtio_ring *ring; /* one page, shared with the device */
    struct virtio_slot *slot; /* VIRTIO_QUEUE_SIZE of them */
    uint64_t slot_page[VIRTIO_QUEUE_SIZE / 8];
    volatile uint16_t *doorbell;
};

/* Set up queue `index`, its interrupt calls fn(arg). */
int virtio_queue_open(struct virtio_queue *q, struct virtio_device *v, uint16_t index,
                      void (*fn)(void *arg), void *arg);
/* A free slot, or -1. */
int virtio_queue_get(struct virtio_queue *q);
void virtio_queue_put(struct virtio_queue *q, unsigned slot);
/* Device address of a byte of a slot. */
uint64_t virtio_slot_address(const struct virtio_queue *q, unsigned slot, const void *p);
/* Queue the first `segments` entries of the slot's table; shown at the next kick. */
void virtio_queue_add(struct virtio_queue *q, unsigned slot, unsigned segments);
void virtio_queue_kick(struct virtio_queue *q);
/* The next finished slot, or -1. */
int virtio_queue_next(struct virtio_queue *q);
/* Ask for an interrupt when most of what is under way is done; true when more is done already. */
bool virtio_queue_rearm(struct virtio_queue *q);

#define VIRTIO_DESC_NEXT     1u
#define VIRTIO_DESC_WRITE    2u
#define VIRTIO_DESC_INDIRECT 4u

/* Disks of the machine become block devices vda, vdb, ... in the order of their PCI functions. */
unsigned virtio_blk_probe(void);

#endif
