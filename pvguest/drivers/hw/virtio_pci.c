/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio transport over modern PCI: finds the register structures through the vendor
 * capabilities, maps them, resets the device and agrees on features (specification, section 3.1.1).
 * Legacy devices are not driven.
 */
#include "virtio.h"

#include "arch/device.h"
#include "pci.h"
#include "printk.h"

#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_DEVICE 4

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_FAILED      128u

/* Registers behind one capability, or NULL. The BAR is checked against what the capability names:
 * a device that points outside its own BAR is not trusted with a mapping. */
static volatile uint8_t *map_capability(uint16_t function, uint8_t cap)
{
    uint8_t bar = pci_read8(function, cap + 4u);
    uint32_t offset = pci_read32(function, cap + 8u);
    uint32_t length = pci_read32(function, cap + 12u);
    uint64_t bytes = 0;
    uint64_t base = bar < 6 ? pci_bar(function, bar, &bytes) : 0;
    if (!base || !length || offset > bytes || length > bytes - offset)
        return NULL;
    return arch_mmio_map(base + offset, length);
}

static int map_registers(struct virtio_device *v)
{
    for (uint8_t cap = pci_capability(v->function, PCI_CAP_VENDOR, 0); cap;
         cap = pci_capability(v->function, PCI_CAP_VENDOR, cap)) {
        switch (pci_read8(v->function, cap + 3u)) {
        case CAP_COMMON:
            v->common = (volatile struct virtio_common *)map_capability(v->function, cap);
            break;
        case CAP_NOTIFY:
            v->notify = map_capability(v->function, cap);
            v->notify_multiplier = pci_read32(v->function, cap + 16u);
            break;
        case CAP_DEVICE:
            v->config = map_capability(v->function, cap);
            break;
        default:
            break;
        }
    }
    return v->common && v->notify && v->config ? 0 : -1;
}

void virtio_reset(struct virtio_device *v)
{
    v->common->device_status = 0;
    /* The device answers 0 once it has let go of all its queues. */
    while (v->common->device_status != 0) {
    }
}

static void status_add(struct virtio_device *v, unsigned bits)
{
    v->common->device_status = (uint8_t)(v->common->device_status | bits);
}

int virtio_open(struct virtio_device *v, uint16_t function)
{
    v->function = function;
    pci_enable(function);
    if (map_registers(v)) {
        printk("virtio: function %04x has no modern registers\n", function);
        return -1;
    }
    virtio_reset(v);
    status_add(v, STATUS_ACKNOWLEDGE);
    status_add(v, STATUS_DRIVER);
    return 0;
}

static uint64_t device_features(struct virtio_device *v)
{
    v->common->device_feature_select = 0;
    uint64_t low = v->common->device_feature;
    v->common->device_feature_select = 1;
    return low | (uint64_t)v->common->device_feature << 32;
}

int virtio_negotiate(struct virtio_device *v, uint64_t required, uint64_t wanted)
{
    v->features = device_features(v) & (required | wanted);
    v->common->driver_feature_select = 0;
    v->common->driver_feature = (uint32_t)v->features;
    v->common->driver_feature_select = 1;
    v->common->driver_feature = (uint32_t)(v->features >> 32);
    status_add(v, STATUS_FEATURES_OK);
    if ((v->features & required) == required && v->common->device_status & STATUS_FEATURES_OK)
        return 0;
    status_add(v, STATUS_FAILED);
    printk("virtio: function %04x lacks features (has %lx)\n", v->function, device_features(v));
    return -1;
}

void virtio_ready(struct virtio_device *v)
{
    status_add(v, STATUS_DRIVER_OK);
}
