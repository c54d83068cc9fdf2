# Writes a text file as a NUL-terminated C array: cmake -DINPUT=… -DOUTPUT=… -DSYMBOL=… -DHEADER=… -P embed_text.cmake
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\n\nconst char ${SYMBOL}[] = {\n${bytes}'\\0'};\n")
