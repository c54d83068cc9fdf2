/*
 * Well-formedness of UTF-8 by the table of RFC 3629 section 4: what overlong forms, surrogates and
 * too high code points have in common is that their value is outside the range of their length.
 */

#include "base/utf8.h"

size_t utf8_decode(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)text;
    size_t length = 1;
    uint32_t value;

    if (size == 0)
        return 0;
    if (byte[0] < 0x80) {
        value = byte[0];
    } else if ((byte[0] & 0xe0) == 0xc0) {
        length = 2;
        value = byte[0] & 0x1f;
    } else if ((byte[0] & 0xf0) == 0xe0) {
        length = 3;
        value = byte[0] & 0x0f;
    } else if ((byte[0] & 0xf8) == 0xf0) {
        length = 4;
        value = byte[0] & 0x07;
    } else {
        return 0;
    }
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3f);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    if (code != NULL)
        *code = value;
    return length;
}
