# Writes a file as a C array: cmake -DINPUT=... -DOUTPUT=... -DSYMBOL=... -DHEADER=... -P embed.cmake
file(READ "${INPUT}" hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"

const unsigned char ${SYMBOL}[] = {
${hex}
};
const size_t ${SYMBOL}_size = ${size};
")
