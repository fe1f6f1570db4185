/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sorted set that is linked through its members: the first by itself, the others in a treap.
 *
 * The keys of the treap are sorted from left to right, and each node's `order`, a random number
 * that it gets with its place, is not below those of its children; so its shape is that of a tree
 * built in random order, whoever chooses the keys: inserting and taking the first are an expected
 * O(log n). With one or two members nothing is ever searched.
 */
#pragma once

#include "types.h"

struct tree_node {
    struct tree_node *left, *right, *up;
    uint64_t key;
    uint64_t order; /* 0: in no tree */
};

struct tree {
    struct tree_node *first; /* the least key, and not in the treap; NULL: empty */
    struct tree_node *root;  /* NULL: there is no other */
    uint64_t random;         /* state of the generator */
    uint64_t count;
};

static inline bool tree_has(const struct tree_node *n) { return n->order != 0; }

static inline void treap_link(struct tree_node **at, struct tree_node *n, struct tree_node *up) {
    *at = n;
    if (n != NULL) n->up = up;
}

/* Puts what `rest` holds to both sides of `n`, which stands above it now. */
static inline void treap_split(struct tree_node *n, struct tree_node *rest) {
    struct tree_node **left = &n->left, **right = &n->right, *below = n, *above = n;

    while (rest != NULL) {
        if (rest->key <= n->key) {
            treap_link(left, rest, below);
            below = rest;
            left = &rest->right;
            rest = *left;
        } else {
            treap_link(right, rest, above);
            above = rest;
            right = &rest->left;
            rest = *right;
        }
    }
    *left = *right = NULL;
}

static __attribute__((noinline, unused)) void treap_insert(struct tree *t, struct tree_node *n) {
    struct tree_node **at = &t->root, *up = NULL;

    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    n->order = t->random | 1;
    while (*at != NULL && (*at)->order > n->order) {
        up = *at;
        at = n->key < up->key ? &up->left : &up->right;
    }
    treap_split(n, *at);
    treap_link(at, n, up);
}

/* What hung on a node becomes one tree again, in its place. */
static inline void treap_remove(struct tree *t, struct tree_node *n) {
    struct tree_node *up = n->up, *a = n->left, *b = n->right;
    struct tree_node **at = up == NULL ? &t->root : up->left == n ? &up->left : &up->right;

    while (a != NULL && b != NULL) {
        bool left = a->order > b->order;

        treap_link(at, left ? a : b, up);
        up = *at;
        at = left ? &a->right : &b->left;
        if (left)
            a = *at;
        else
            b = *at;
    }
    treap_link(at, a != NULL ? a : b, up);
}

/* The least of a treap that is not empty. */
static inline struct tree_node *treap_least(struct tree_node *n) {
    while (n->left != NULL) n = n->left;
    return n;
}

/* The least of a treap that is not empty, out of it and as the first. */
static __attribute__((noinline, unused)) void tree_advance(struct tree *t) {
    struct tree_node *n = treap_least(t->root);

    treap_link(n->up == NULL ? &t->root : &n->up->left, n->right, n->up);
    n->order = 1;
    t->first = n;
}

/* Removes the first; `root` is the treap's. Here and below it, and the first, are as the caller has
 * just found them: code that is for one or two members alone then calls nothing. */
static inline struct tree_node *tree_take(struct tree *t, const struct tree_node *root) {
    struct tree_node *first = t->first;

    first->order = 0;
    t->count--;
    t->first = NULL;
    if (root != NULL) tree_advance(t);
    return first;
}

static inline void tree_insert_at(struct tree *t, struct tree_node *first, struct tree_node *n) {
    t->count++;
    if (first != NULL && n->key >= first->key) {
        treap_insert(t, n);
        return;
    }
    if (first != NULL) treap_insert(t, first);
    t->first = n;
    n->order = 1;
}

static inline void tree_insert(struct tree *t, struct tree_node *n) {
    tree_insert_at(t, t->first, n);
}

static inline void tree_remove(struct tree *t, struct tree_node *n) {
    if (t->first == n) {
        (void)tree_take(t, t->root);
        return;
    }
    treap_remove(t, n);
    t->count--;
    n->order = 0;
}

/* Inserts one whose key is not below the first's, and removes the first. */
static inline struct tree_node *tree_exchange(struct tree *t, const struct tree_node *root,
                                              struct tree_node *n) {
    struct tree_node *first = t->first;

    first->order = 0;
    if (root == NULL) {
        t->first = n;
        n->order = 1;
    } else {
        treap_insert(t, n);
        tree_advance(t);
    }
    return first;
}

/* The next one by key, or NULL. */
static inline struct tree_node *tree_next(const struct tree *t, const struct tree_node *n) {
    struct tree_node *next = n == t->first ? t->root : n->right;

    if (next != NULL) return treap_least(next);
    if (n == t->first) return NULL;
    for (next = n->up; next != NULL && next->right == n; next = next->up) n = next;
    return next;
}
