# cmake -DIN=page.html -DOUT=page.cc -DNAME=kPage -P embed.cmake
# Writes the bytes of a file as a C++ array narthex::ui::<NAME> and their number as <NAME>Bytes.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
file(SIZE ${IN} size)
file(WRITE ${OUT}
"namespace narthex::ui {
extern const char ${NAME}[];
extern const unsigned long ${NAME}Bytes;
const char ${NAME}[] = {
${bytes}'\\0'};
const unsigned long ${NAME}Bytes = ${size};
}  // namespace narthex::ui
")
