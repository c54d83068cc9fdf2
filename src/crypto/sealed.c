/*
 * Sealing and opening one value.
 */

#include "crypto/sealed.h"

/* Head, and four pieces with their lengths. */
#define PIECES 4

void data_key_wipe(struct data_key *key)
{
    secret_wipe(key, sizeof(*key));
}

struct data_key data_key_make(const struct random *random)
{
    struct data_key key;

    random_fill(random, key.id, sizeof(key.id));
    random_fill(random, key.key, sizeof(key.key));
    return key;
}

bool sealed_parse(struct bytes value, struct sealed *sealed)
{
    const uint8_t *bytes = value.data;

    if (value.size < SEALED_EXTRA || bytes[0] != SEALED_VERSION)
        return false;
    size_t body_size = value.size - SEALED_EXTRA;
    *sealed = (struct sealed){
        .key_id = bytes + 1,
        .nonce = bytes + 1 + KEY_ID_SIZE,
        .body = {bytes + SEALED_HEAD_SIZE, body_size},
        .tag = bytes + SEALED_HEAD_SIZE + body_size,
    };
    return true;
}

/* What is authenticated; each piece is preceded by its length, so no two places agree. */
struct binding {
    uint8_t head[1 + KEY_ID_SIZE];
    uint8_t lengths[PIECES];
    struct bytes pieces[1 + 2 * PIECES];
};

static struct aes_gcm_bound bind_to(struct binding *binding, const uint8_t key_id[KEY_ID_SIZE],
                                    const struct seal_place *place)
{
    const struct bytes pieces[PIECES] = {
        {place->table, strlen(place->table)},
        {place->column, strlen(place->column)},
        {place->customer.bytes, sizeof(place->customer.bytes)},
        {place->row, strlen(place->row)},
    };

    binding->head[0] = SEALED_VERSION;
    memcpy(binding->head + 1, key_id, KEY_ID_SIZE);
    binding->pieces[0] = (struct bytes){binding->head, sizeof(binding->head)};
    for (size_t i = 0; i < PIECES; i++) {
        /* Only the last may be longer than a byte can say, and nothing comes after it. */
        binding->lengths[i] = (uint8_t)pieces[i].size;
        binding->pieces[1 + 2 * i] = (struct bytes){&binding->lengths[i], 1};
        binding->pieces[2 + 2 * i] = pieces[i];
    }
    return (struct aes_gcm_bound){binding->pieces, 1 + 2 * PIECES};
}

struct bytes sealed_make(struct arena *arena, const struct random *random,
                         const struct data_key *key, const struct seal_place *place,
                         struct bytes plain)
{
    size_t size = plain.size + SEALED_EXTRA;
    uint8_t *bytes = arena_alloc(arena, size);
    uint8_t *nonce = bytes + 1 + KEY_ID_SIZE;
    uint8_t *body = bytes + SEALED_HEAD_SIZE;
    uint8_t message_key[AES_KEY_SIZE];
    struct binding binding;

    bytes[0] = SEALED_VERSION;
    memcpy(bytes + 1, key->id, KEY_ID_SIZE);
    random_fill(random, nonce, SEALED_NONCE_SIZE);
    aes_message_key(key->key, nonce, message_key);
    aes_gcm_seal(message_key, nonce + MESSAGE_SALT_SIZE, bind_to(&binding, key->id, place), plain,
                 body, body + plain.size);
    secret_wipe(message_key, sizeof(message_key));
    return (struct bytes){bytes, size};
}

bool sealed_open(struct arena *arena, const struct data_key *key, const struct seal_place *place,
                 struct bytes value, struct bytes *plain)
{
    uint8_t message_key[AES_KEY_SIZE];
    struct binding binding;
    struct sealed sealed;

    if (!sealed_parse(value, &sealed) || memcmp(sealed.key_id, key->id, KEY_ID_SIZE) != 0)
        return false;
    uint8_t *out = arena_alloc(arena, sealed.body.size + 1);
    aes_message_key(key->key, sealed.nonce, message_key);
    bool opens = aes_gcm_open(message_key, sealed.nonce + MESSAGE_SALT_SIZE,
                              bind_to(&binding, key->id, place), sealed.body, sealed.tag, out);
    secret_wipe(message_key, sizeof(message_key));
    if (opens)
        *plain = (struct bytes){out, sealed.body.size};
    return opens;
}
