// expect: crashed signal=6
// libc: gnu
#include "hostile.h"

struct A { virtual void f() = 0; A() { g(); } void g() { f(); } };
struct B : A { void f() override {} } b;
