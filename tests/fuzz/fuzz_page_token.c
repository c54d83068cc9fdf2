/*
 * Page tokens: none is taken that was not made, and one that was made is taken only as it was.  The
 * input is a token as it comes, and a position whose own token is then changed in one place.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "base/text.h"
#include "crypto/page_token.h"
#include "crypto/secrets.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"

#define ARGUMENTS "customers/me"

static struct secrets *make_secrets(void)
{
    char path[] = "/tmp/dues-fuzz-XXXXXX";
    char problem[256];
    int file = mkstemp(path);

    for (int i = 0; i < SECRET_SIZE; i++)
        dprintf(file, "%02x", i);
    close(file);
    struct secrets *secrets = secrets_open(path, problem);
    unlink(path);
    if (secrets == NULL)
        bug("%s", problem);
    return secrets;
}

static void check_changed(struct call *call, const uint8_t *data, size_t size)
{
    uint8_t position[PAGE_POSITION_SIZE_MAX];
    size_t position_size = size < sizeof position ? size : sizeof position;
    char *token = page_token_make(call, ARGUMENTS, data, position_size);
    size_t read_size = 0;

    if (page_token_read(call, ARGUMENTS, token, position, &read_size) != NULL ||
        read_size != position_size || memcmp(position, data, position_size) != 0)
        bug("a token of our own is refused");
    if (page_token_read(call, "customers/else", token, position, &read_size) == NULL)
        bug("a token is taken for other arguments");
    size_t at = data[0] % strlen(token);
    token[at] = token[at] == 'A' ? 'B' : 'A';
    if (page_token_read(call, ARGUMENTS, token, position, &read_size) == NULL)
        bug("a token that was changed is taken");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static struct house house;
    uint8_t position[PAGE_POSITION_SIZE_MAX];
    size_t position_size = 0;

    if (house.secrets == NULL)
        house = (struct house){.random = random_system(), .secrets = make_secrets()};
    struct call call = {.arena = fuzz_arena(), .house = &house, .method = "/dues.test/List"};
    const char *text = arena_strndup(call.arena, (const char *)data, size);
    if (page_token_read(&call, ARGUMENTS, text, position, &position_size) == NULL &&
        text[0] != '\0')
        bug("'%s' is taken for a token of ours", text);
    if (size > 0)
        check_changed(&call, data, size);
    return 0;
}
