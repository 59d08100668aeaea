from shop.models import Voucher


def look_again(get_response):
    """One more statement after the view of `watch`, also where that failed."""

    def answer(request):
        response = get_response(request)
        if request.path == "/watch/":
            Voucher.objects.count()
        return response

    return answer
