"""The function that functions-framework-python serves: the request's body comes back."""


def echo(request):
    return request.get_data()
