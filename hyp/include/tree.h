/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sorted set that is linked through its members: the first by itself, the others in a treap.
 *
 * The keys of the treap are sorted from left to right, and each node's `order`, a random number
 * that it gets with its place, is not below those of its children; so its shape is that of a tree
 * built in random order, whoever chooses the keys: inserting and taking the first are an expected
 * O(log n). Where nothing hangs there is a leaf of order 0. With one or two members nothing is ever
 * searched.
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
    struct tree_node *root;  /* of the others */
    struct tree_node *next;  /* the least of them; NULL: there is none */
    uint64_t random;         /* state of the generator */
    uint64_t count;
};

/* What hangs where nothing does, so that a search needs no look for its end. Never written. */
static struct tree_node treap_leaf;

static inline void tree_init(struct tree *t, uint64_t seed) {
    *t = (struct tree){ .root = &treap_leaf, .random = seed };
}

static inline bool tree_has(const struct tree_node *n) { return n->order != 0; }

static inline void treap_link(struct tree_node **at, struct tree_node *n, struct tree_node *up) {
    *at = n;
    if (n->order != 0) n->up = up;
}

/* Puts what `rest` holds to both sides of `n`, which stands above it now. */
static inline void treap_split(struct tree_node *n, struct tree_node *rest) {
    struct tree_node **left = &n->left, **right = &n->right, *below = n, *above = n;

    while (rest->order != 0) {
        if (rest->key <= n->key) {
            *left = rest;
            rest->up = below;
            below = rest;
            left = &rest->right;
            rest = *left;
        } else {
            *right = rest;
            rest->up = above;
            above = rest;
            right = &rest->left;
            rest = *right;
        }
    }
    *left = *right = rest;
}

static __attribute__((noinline, unused)) void treap_insert(struct tree *t, struct tree_node *n) {
    struct tree_node *at = t->root, *up = NULL;

    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    n->order = t->random | 1;
    while (at->order > n->order) {
        up = at;
        at = n->key < at->key ? at->left : at->right;
    }
    treap_split(n, at);
    n->up = up;
    if (up == NULL) {
        t->root = n;
        if (n->left->order == 0) t->next = n;
    } else if (n->key < up->key) {
        up->left = n;
        if (n->key < t->next->key) t->next = n;
    } else {
        up->right = n;
    }
}

/* The least of what is not empty. */
static inline struct tree_node *treap_least(struct tree_node *n) {
    while (n->left->order != 0) n = n->left;
    return n;
}

/* Removes the least. */
static inline struct tree_node *treap_take(struct tree *t) {
    struct tree_node *n = t->next, *up = n->up, *right = n->right;

    *(up == NULL ? &t->root : &up->left) = right;
    if (right->order != 0) {
        right->up = up;
        up = treap_least(right);
    }
    t->next = up;
    return n;
}

/* What hung on a node becomes one tree again, in its place. */
static inline void treap_remove(struct tree *t, struct tree_node *n) {
    struct tree_node *up = n->up, *a = n->left, *b = n->right;
    struct tree_node **at = up == NULL ? &t->root : up->left == n ? &up->left : &up->right;

    if (n == t->next) {
        (void)treap_take(t);
        return;
    }
    while (a->order != 0 && b->order != 0) {
        bool left = a->order > b->order;

        treap_link(at, left ? a : b, up);
        up = *at;
        at = left ? &a->right : &b->left;
        if (left)
            a = *at;
        else
            b = *at;
    }
    treap_link(at, a->order != 0 ? a : b, up);
}

/* The least of a treap that is not empty, out of it and as the first. */
static __attribute__((noinline, unused)) void tree_advance(struct tree *t) {
    struct tree_node *n = treap_take(t);

    n->order = 1;
    t->first = n;
}

/* Removes the first; `more`: the treap is not empty. Here and below it, and the first, are as the
 * caller has just found them: code that is for one or two members alone then calls nothing. */
static inline struct tree_node *tree_take(struct tree *t, bool more) {
    struct tree_node *first = t->first;

    first->order = 0;
    t->count--;
    t->first = NULL;
    if (more) tree_advance(t);
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
        (void)tree_take(t, t->count > 1);
        return;
    }
    treap_remove(t, n);
    t->count--;
    n->order = 0;
}

/* Inserts one whose key is not below the first's, and removes the first. */
static inline struct tree_node *tree_exchange(struct tree *t, bool more, struct tree_node *n) {
    struct tree_node *first = t->first;

    first->order = 0;
    if (more) {
        treap_insert(t, n);
        tree_advance(t);
    } else {
        t->first = n;
        n->order = 1;
    }
    return first;
}

/* The next one by key, or NULL. */
static inline struct tree_node *tree_next(const struct tree *t, const struct tree_node *n) {
    struct tree_node *next = n->right;

    if (n == t->first) return t->next;
    if (next->order != 0) return treap_least(next);
    for (next = n->up; next != NULL && next->right == n; next = next->up) n = next;
    return next;
}
