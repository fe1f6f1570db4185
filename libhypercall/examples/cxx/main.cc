/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest in C++: a global object with a constructor, a class hierarchy, a template.
 */
#include <hvlib/clock.h>
#include <hvlib/console.h>
#include <hvlib/consolefront.h>
#include <hvlib/start.h>

namespace
{

/* Opens the console when it is made, which is before guest_main. */
class Console
{
  public:
    Console() : result(hv_console_open())
    {
    }

    template <typename... Values> void print(const char *format, Values... values) const
    {
        hv_printf(format, values...);
    }

    bool well() const
    {
        return result == 0;
    }

  private:
    int64_t result;
};

const Console console;

class Shape
{
  public:
    virtual uint32_t area() const = 0;
    virtual const char *name() const = 0;

  protected:
    ~Shape() = default;
};

class Square final : public Shape
{
  public:
    constexpr explicit Square(uint32_t s) : side(s)
    {
    }

    uint32_t area() const override
    {
        return side * side;
    }

    const char *name() const override
    {
        return "square";
    }

  private:
    uint32_t side;
};

class Strip final : public Shape
{
  public:
    constexpr Strip(uint32_t w, uint32_t h) : width(w), height(h)
    {
    }

    uint32_t area() const override
    {
        return width * height;
    }

    const char *name() const override
    {
        return "strip";
    }

  private:
    uint32_t width, height;
};

} // namespace

uint32_t guest_main()
{
    const Square square(7);
    const Strip strip(3, 5);
    const Shape *const shapes[] = { &square, &strip };
    uint32_t sum = 0;

    for (const Shape *shape : shapes) {
        console.print("cxx: a %s of %u\n", shape->name(), shape->area());
        sum += shape->area();
    }
    console.print("cxx: %u in all, from C++%ld\n", sum, __cplusplus / 100 % 100);
    return console.well() && sum == 64 ? 0 : 1;
}
